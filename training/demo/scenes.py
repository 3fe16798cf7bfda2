"""Scenes of coloured shapes, some carrying a handwritten digit or a printed letter, and their pictures.

A scene is data (what is where); `render` draws it. Everything follows from the scene's seed. Handwritten digits are the
1,797 pictures of scikit-learn's `load_digits`; they too are split, so a held-out scene never shows a digit picture that
was trained on.
"""

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .settings import HELD_OUT_SEEDS, TRAIN_SEEDS

COLORS = {
    "red": (214, 48, 49),
    "green": (46, 139, 67),
    "blue": (38, 90, 205),
    "yellow": (250, 208, 44),
    "purple": (130, 62, 172),
    "orange": (243, 134, 42),
}
DARK_INK = {"yellow", "orange"}  # colours on which white could not be read
SHAPES = ("circle", "square", "triangle", "diamond", "star")
DIGITS = "0123456789"
LETTERS = "ACEFHJKLMNPRTUXY"  # without the letters that a handwritten digit could be taken for

GRID = 3  # objects stand in the cells of a GRID x GRID board, with some play
CANVAS = 256  # side of a drawn picture; the tower's image processor brings it down, which also smooths the edges
HELD_OUT_DIGITS = 0.2


@dataclass(frozen=True)
class Glyph:
    """One character on an object. `picture` is the index of a handwritten digit, or -1 for a printed letter."""

    text: str
    picture: int
    scale: float
    angle: float

    @property
    def kind(self) -> str:
        return "digit" if self.picture >= 0 else "letter"


@dataclass(frozen=True)
class Thing:
    """An object: where its centre is and how large it is, both as a share of the picture's side."""

    shape: str
    color: str
    rgb: tuple[int, int, int]
    x: float
    y: float
    radius: float
    large: bool
    cell: int
    glyph: Glyph | None

    @property
    def name(self) -> str:
        return f"{self.color} {self.shape}"


@dataclass(frozen=True)
class Scene:
    seed: int
    background: tuple[tuple[int, int, int], tuple[int, int, int]]
    things: tuple[Thing, ...]


def is_held_out(seed: int) -> bool:
    if seed in HELD_OUT_SEEDS:
        return True
    if seed not in TRAIN_SEEDS:
        raise ValueError(f"Expected a scene seed in {TRAIN_SEEDS} or {HELD_OUT_SEEDS} but received {seed}")
    return False


@cache
def handwritten() -> tuple[np.ndarray, dict[tuple[bool, str], np.ndarray]]:
    """All digit pictures as uint8 masks, and the indices that belong to (held out, digit)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    masks = np.clip(data.images * (255.0 / 16.0), 0, 255).astype(np.uint8)
    order = np.random.default_rng(7).permutation(len(masks))
    split = int(len(masks) * HELD_OUT_DIGITS)
    parts = {True: order[:split], False: order[split:]}
    chosen = {(held, d): part[data.target[part] == int(d)] for held, part in parts.items() for d in DIGITS}
    return masks, chosen


def make_scene(seed: int) -> Scene:
    """Three to five objects with distinct (colour, shape) pairs and distinct characters."""
    held_out = is_held_out(seed)
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 6))
    cells = rng.choice(GRID * GRID, count, replace=False)
    pairs = rng.choice(len(COLORS) * len(SHAPES), count, replace=False)
    texts = _texts(rng, count)
    things = []
    for cell, pair, text in zip(cells, pairs, texts, strict=True):
        color, shape = list(COLORS)[pair // len(SHAPES)], SHAPES[pair % len(SHAPES)]
        large = bool(rng.random() < 0.6)
        radius = rng.uniform(0.148, 0.162) if large else rng.uniform(0.112, 0.124)
        play = 0.5 / GRID - radius + 0.012
        x, y = (np.array([cell % GRID, cell // GRID]) + 0.5) / GRID + rng.uniform(-play, play, 2)
        rgb = tuple(int(v) for v in np.clip(np.array(COLORS[color]) + rng.integers(-14, 15, 3), 0, 255))
        glyph = _glyph(rng, text, held_out)
        things.append(Thing(shape, color, rgb, float(x), float(y), float(radius), large, int(cell), glyph))
    base = rng.integers(205, 246)
    background = tuple(tuple(int(v) for v in base + rng.integers(-22, 10, 3)) for _ in range(2))
    return Scene(seed, background, tuple(things))


def _texts(rng: np.random.Generator, count: int) -> list[str]:
    """A character or '' for each object: half digits, a third letters, the rest plain; no character twice."""
    digits, letters = list(rng.permutation(list(DIGITS))), list(rng.permutation(list(LETTERS)))
    kinds = rng.choice(3, count, p=(0.5, 0.33, 0.17))
    return [str(digits.pop()) if kind == 0 else str(letters.pop()) if kind == 1 else "" for kind in kinds]


def _glyph(rng: np.random.Generator, text: str, held_out: bool) -> Glyph | None:
    scale, angle = float(rng.uniform(0.92, 1.06)), float(rng.uniform(-9, 9))
    if not text:
        return None
    if text not in DIGITS:
        return Glyph(text, -1, scale, angle)
    return Glyph(text, int(rng.choice(handwritten()[1][held_out, text])), scale, angle)


def rewritten(scene: Scene) -> Scene:
    """The same objects in the same places with other characters on them: what a caption says of both is the same."""
    rng = np.random.default_rng((scene.seed, 2))
    texts = _texts(rng, len(scene.things))
    glyphs = [_glyph(rng, text, is_held_out(scene.seed)) for text in texts]
    return replace(
        scene, things=tuple(replace(thing, glyph=glyph) for thing, glyph in zip(scene.things, glyphs, strict=True))
    )


def render(scene: Scene, size: int = CANVAS, smooth: int = 1) -> Image.Image:
    """Draws a scene as an RGB picture of `size` x `size`; `smooth` > 1 draws larger first, for soft edges."""
    side = size * smooth
    ramp = np.linspace(0, 1, side, dtype=np.float32)[:, None]
    top, bottom = (np.array(c, np.float32) for c in scene.background)
    column = top + (bottom - top) * ramp
    picture = Image.fromarray(np.repeat(column[:, None, :], side, 1).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for thing in scene.things:
        _draw_shape(draw, thing, side)
        if thing.glyph:
            _draw_glyph(picture, thing, side)
    return picture if smooth == 1 else picture.resize((size, size), Image.Resampling.BOX)


def _draw_shape(draw: ImageDraw.ImageDraw, thing: Thing, side: int) -> None:
    x, y, r = thing.x * side, thing.y * side, thing.radius * side
    if thing.shape == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=thing.rgb)
    elif thing.shape == "square":
        s = 0.88 * r  # about as much paint as the circle
        draw.rectangle((x - s, y - s, x + s, y + s), fill=thing.rgb)
    elif thing.shape == "triangle":
        draw.polygon([(x, y - r), (x + r, y + 0.85 * r), (x - r, y + 0.85 * r)], fill=thing.rgb)
    elif thing.shape == "diamond":
        draw.polygon([(x, y - 1.1 * r), (x + 0.95 * r, y), (x, y + 1.1 * r), (x - 0.95 * r, y)], fill=thing.rgb)
    else:
        tips = [(1.12 if k % 2 == 0 else 0.62) * r for k in range(10)]
        turns = [math.pi * k / 5 - math.pi / 2 for k in range(10)]
        corners = [(x + t * math.cos(a), y + t * math.sin(a)) for t, a in zip(tips, turns, strict=True)]
        draw.polygon(corners, fill=thing.rgb)


def _draw_glyph(picture: Image.Image, thing: Thing, side: int) -> None:
    glyph, r = thing.glyph, thing.radius * side
    # Half the height of the mask; a triangle leaves less room, and only below its middle.
    half = glyph.scale * r * (0.5 if thing.shape == "triangle" else 0.6)
    middle = thing.y * side + (0.28 * r if thing.shape == "triangle" else 0.0)
    edge = max(8, round(2 * half))
    if glyph.kind == "digit":
        mask = Image.fromarray(handwritten()[0][glyph.picture]).resize((edge, edge), Image.Resampling.BICUBIC)
    else:
        mask = Image.new("L", (edge, edge))
        font = _font(round(1.12 * edge))
        stroke = max(1, edge // 22)
        ImageDraw.Draw(mask).text((edge / 2, edge / 2), glyph.text, 255, font, "mm", stroke_width=stroke)
    mask = mask.rotate(glyph.angle, Image.Resampling.BICUBIC)
    ink = (28, 28, 32) if thing.color in DARK_INK else (255, 255, 255)
    picture.paste(ink, (round(thing.x * side - edge / 2), round(middle - edge / 2)), mask)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
