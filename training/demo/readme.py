"""models/demo/README.md: what ships, how it came about, the comparison, the limits."""

from pathlib import Path

from .questions import words
from .report import arms_probe_table, few_table, probe_table, seed_table, shipped_table, table
from .settings import MODEL, Settings

CARD = Path(__file__).parent / "model_card.md"  # with {placeholders}


def write_readme(settings: Settings) -> None:
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
