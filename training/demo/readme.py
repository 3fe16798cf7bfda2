"""models/demo/README.md: what ships, how it came about, the comparison, the limits."""

from .report import seed_table, table
from .settings import MODEL, Settings

TEXT = """# The demo model

QA-ViT in small, with weights of our own (Apache-2.0, like the code). It answers short questions about pictures of coloured
shapes that carry handwritten digits or printed letters, and shows every part of the paper at work: a frozen tower that was
trained without questions, question tokens in the attention of its upper half, gates, a projector, a T5.

| folder | what | format |
|---|---|---|
| `tower/` | CLIPVisionModel, {picture} x {picture}, patch {patch}, C = {width}, H = {heads}, L = {layers}, float16 | Hugging Face, unchanged |
| `adapter/` | QA-ViT fusing of layers {fused} and the projector, float32 | published names |
| `language/` | T5, E = {language_width}, {language_layers} encoder and {language_layers} decoder layers, 93 words | Hugging Face config, `tokenizer.json`, ONNX |
| `samples/` | held-out pictures, questions, true answers; `expected.json`: what PyTorch answers | PNG, JSON |

{size}

## Does the question help?

Exact match in per cent on {held_out_pictures:,} held-out pictures, one question of each family a picture (mean ± standard
deviation over seeds). All three arms start from the same frozen tower and the same language model and see the same
{questions:,} questions. (a) has no fusing; (b) is QA-ViT; (c) is the same adapter fed learned constants in the question's
place, so that (b) - (c) is what the question itself brings and (c) - (a) what more parameters bring.

{table}

Mean over families, seed by seed:

{seed_table}

{finding}

## How it was trained

`python -m demo.run` in `training/`; the protocol is in `training/demo/README.md`. No held-out scene and none of the
held-out handwriting was trained on. The shipped weights are (b) of seed 0, whatever its rank.

## Limits

It knows this world only: 6 colours, 5 shapes, 3 to 5 objects, digits 0-9 as scikit-learn's people wrote them, 16 capital
letters of one typeface, and the wordings of `training/demo/questions.py`. Other words become `<unk>`; other pictures get
confident nonsense. Letters are drawn from the same typeface in training and in the held-out pictures, so that row says
less than the digits' row. The tower's two objectives are set up so that details are seen half-way up and captions at the
top; the comparison shows that question-aware fusing can use that, not how often towers in the wild are like it.
"""


def write_readme(settings: Settings) -> None:
    note = settings.out / "finding.md"
    values = dict(vars(settings))
    values |= {
        "fused": ", ".join(str(n) for n in range(settings.layers // 2, settings.layers)),
        "questions": settings.arm_steps * settings.batch,
        "table": table(settings),
        "seed_table": seed_table(settings),
        "finding": note.read_text().strip() if note.exists() else "",
        "size": _size(),
    }
    (MODEL / "README.md").write_text(TEXT.format(**values))


def _size() -> str:
    parts = {
        p: sum(f.stat().st_size for f in (MODEL / p).rglob("*") if f.is_file())
        for p in ("tower", "adapter", "language")
    }
    return "Sizes: " + ", ".join(f"{name} {size / 2**20:.1f} MiB" for name, size in parts.items()) + "."
