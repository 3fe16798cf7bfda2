"""The pictures that ship with the model, with their questions, true answers and what the PyTorch model says.

They are held-out scenes drawn at 256 x 256; the tower's image processor brings them down to its own size.
"""

import json

import numpy as np
import torch
from PIL import Image

from .data import normalize, shrink
from .language import build_tokenizer, tokenize
from .questions import FAMILIES, ask
from .reader import Reader, text_of
from .scenes import Scene, is_held_out, make_scene, render
from .settings import MODEL, Settings, device
from .visual import Visual

# Picked by eye among held-out scenes, for legible handwriting, before any model answered. The README asks the first one
# for the digit on its red square.
SCENES = {"shapes": 20_503_661, "letters": 20_502_588, "digits": 20_500_785, "column": 20_503_788}
SMOOTH = 4
VALUES = 8  # projected values kept for parity, from the first and the last token


def write_samples(settings: Settings, reader: Reader, visual: Visual) -> None:
    folder = MODEL / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer, listed, expected = build_tokenizer(), [], []
    for name, seed in SCENES.items():
        scene = make_scene(seed)
        assert is_held_out(seed)
        render(scene, smooth=SMOOTH).save(folder / f"{name}.png", optimize=True)
        # From the file, as everyone else will read it.
        pixels = shrink(Image.open(folder / f"{name}.png").convert("RGB"), settings.picture)
        questions = _questions(scene)
        ids, mask = tokenize(tokenizer, [text for text, _ in questions])
        image = normalize(torch.from_numpy(pixels[None].repeat(len(questions), 0)).to(device()))
        ids, mask = ids.to(device()), mask.to(device())
        with torch.no_grad():
            seen = visual.from_pixels(image, ids, mask, reader)
            said = text_of(tokenizer, reader.answer(seen, ids, mask))
            projected = reader.projector(seen).cpu().numpy()
        listed.append({"image": f"{name}.png", "questions": [{"question": q, "answer": a} for q, a in questions]})
        answers = [
            {"question": q, "answer": text, "tokens": _digest(rows)}
            for (q, _), text, rows in zip(questions, said, projected, strict=True)
        ]
        expected.append({"image": f"{name}.png", "answers": answers})
    (folder / "samples.json").write_text(json.dumps(listed, indent=2) + "\n")
    (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


def _questions(scene: Scene) -> list[tuple[str, str]]:
    """Every character asked for by its object, then one question of each other family, in the plainest wording."""
    found = [
        (f"what {t.glyph.kind} is on the {t.name}?", t.glyph.text.lower())
        for t in sorted(scene.things, key=lambda t: t.name != "red square")
        if t.glyph
    ]
    rng = np.random.default_rng(scene.seed)
    for family in FAMILIES:
        question = ask(scene, rng, family) if family not in ("digit", "letter") else None
        if question:
            found.append((question.text, question.answer))
    return found


def _digest(rows: np.ndarray) -> dict:
    """Shape, norm and a few values of the projected visual tokens [M, E], for parity of other implementations."""
    return {
        "shape": list(rows.shape),
        "norm": float(np.linalg.norm(rows.astype(np.float64))),
        "first": [float(v) for v in rows[0, :VALUES]],
        "last": [float(v) for v in rows[-1, :VALUES]],
    }
