"""models/demo/README.md: what ships, how it came about, the comparison, the limits."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from .questions import words
from .report import arms_probe_table, few_table, probe_table, seed_table, shipped_table, table
from .settings import MODEL, SHIPPED, Settings

CARD = Path(__file__).parent / "model_card.md"  # with {placeholders}


def expect_shipped(settings: Settings) -> None:
    """A card is of one run, and so must the weights beside it be."""
    arm, seed = SHIPPED
    trained = torch.load(settings.out / f"few-{arm}-{seed}.pt", map_location="cpu")["selector"]["weight"]
    if not torch.equal(trained, load_file(MODEL / "adapter" / "model.safetensors")["token_selector.weight"]):
        raise ValueError(
            f"Expected the weights of the run in {settings.out} in {MODEL} but received others: export first"
        )


def write_readme(settings: Settings) -> None:
    expect_shipped(settings)
    values = dict(vars(settings))
    values |= {
        "fused": ", ".join(str(n) for n in range(settings.layers // 2, settings.layers)),
        "alignments": settings.align_steps * settings.batch,
        "questions": settings.arm_steps * settings.batch,
        "table": table(settings),
        "seed_table": seed_table(settings),
        "middle": settings.layers // 2,
        "words": len(words()),
        "probe_table": probe_table(settings),
        "arms_probe_table": arms_probe_table(settings),
        "tokens": (settings.picture // settings.patch) ** 2 + 1,
        "few_table": few_table(settings),
        "shipped_table": shipped_table(settings),
        "size": _size(),
    }
    (MODEL / "README.md").write_text(CARD.read_text().format(**values))


def _size() -> str:
    parts = {
        p: sum(f.stat().st_size for f in (MODEL / p).rglob("*") if f.is_file())
        for p in ("tower", "adapter", "language")
    }
    return "Sizes: " + ", ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in parts.items()) + "."
