"""A random tower and adapter of a real size, what they are given, and what they make of it."""

from pathlib import Path

import torch

from fixtures.tower_folders import save_tower
from fixtures.towers import AdapterSpec, build_fused, build_tower, save_fused

from .cpu_models import Plain
from .cpu_pairs import PAIRS
from .inputs import PIXELS, QUESTIONS
from .sizes import QUESTION_WIDTHS, SIZES

MOST = 8  # pictures, and questions
# K, of which the cases take a beginning.
LONGEST = 32


@torch.no_grad()
def make(directory: Path, name: str) -> None:
    spec, width = SIZES[name], QUESTION_WIDTHS.get(name, 768)
    tower = build_tower(spec)
    save_tower(spec, tower, directory / "tower")
    adapter = AdapterSpec("late", width)
    fused = build_fused(adapter, tower)
    save_fused(adapter, fused, directory / "adapter")
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (MOST, spec.image, spec.image, 3), dtype=torch.uint8, generator=draw)
    questions = torch.randn(MOST, LONGEST, width, generator=draw)
    pixels.numpy().tofile(directory / PIXELS)
    questions.numpy().tofile(directory / QUESTIONS)
    Plain(tower).eval()(pixels[:1]).numpy().tofile(directory / "expected-0.f32")
    pairs = PAIRS["pairwise"](fused.eval(), torch.float32)
    for tokens in (8, 32):
        pairs(pixels[:1], questions[:1, :tokens]).numpy().tofile(directory / f"expected-{tokens}.f32")
