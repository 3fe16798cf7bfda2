"""Questions about a scene and their true answers, in named families that are reported apart.

A question is only asked where the scene gives it one answer. Wording varies; all of it is lower case already, as the
published normalisation would make it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .scenes import COLORS, SHAPES, Scene, Thing


@dataclass(frozen=True)
class Question:
    family: str
    text: str
    answer: str


DIGIT_FORMS = (
    "what digit is on the {}?",
    "which digit is on the {}?",
    "what number is written on the {}?",
    "what is the digit on the {}?",
    "read the digit on the {}",
)
LETTER_FORMS = (
    "what letter is on the {}?",
    "which letter is on the {}?",
    "what letter is written on the {}?",
    "what is the letter on the {}?",
    "read the letter on the {}",
)
COLOR_OF_GLYPH_FORMS = (
    "what color is the shape with the {} {}?",
    "which color is the object with the {} {}?",
    "what is the color of the shape that carries the {} {}?",
)
SHAPE_OF_GLYPH_FORMS = (
    "what shape has the {} {}?",
    "which shape carries the {} {}?",
    "what shape is the {} {} on?",
)
SIDES = {
    "left of": (-1, 0),
    "right of": (1, 0),
    "above": (0, -1),
    "below": (0, 1),
}
NEIGHBOUR_FORMS = ("what is {} the {}?", "which object is {} the {}?", "what do you see {} the {}?")
NEIGHBOUR_SHAPE_FORMS = ("what shape is {} the {}?", "which shape is {} the {}?")
NEIGHBOUR_COLOR_FORMS = ("what color is the shape {} the {}?", "which color is the object {} the {}?")
SHAPE_COUNT_FORMS = ("how many {}s are there?", "how many {}s can you see?", "count the {}s")
COLOR_COUNT_FORMS = ("how many {} shapes are there?", "how many {} objects can you see?", "count the {} shapes")
EXIST_FORMS = ("is there a {}?", "do you see a {}?", "can you see a {} in the picture?")
COLOR_FORMS = ("what color is the {}?", "which color is the {}?", "what is the color of the {}?")
SHAPE_FORMS = ("what shape is {}?", "which shape is {}?", "what is the shape of the {} object?")

Asker = Callable[[Scene, np.random.Generator], Question | None]


def ask(scene: Scene, rng: np.random.Generator, family: str) -> Question | None:
    """One question of a family, or None where the scene has no question of it with one answer."""
    return FAMILIES[family](scene, rng)


def ask_any(scene: Scene, rng: np.random.Generator) -> Question:
    """One question of a family drawn by weight."""
    names, weights = list(WEIGHTS), np.array(list(WEIGHTS.values()))
    while True:
        question = ask(scene, rng, names[rng.choice(len(names), p=weights / weights.sum())])
        if question:
            return question


def _pick(rng: np.random.Generator, items):
    return items[int(rng.integers(len(items)))]


def _read(kind: str, forms: tuple[str, ...]) -> Asker:
    def asker(scene: Scene, rng: np.random.Generator) -> Question | None:
        marked = [t for t in scene.things if t.glyph and t.glyph.kind == kind]
        if not marked:
            return None
        thing = _pick(rng, marked)
        # The short name only where it points at one object.
        names = [thing.name, thing.name]
        if sum(t.shape == thing.shape for t in scene.things) == 1:
            names.append(thing.shape)
        return Question(kind, _pick(rng, forms).format(_pick(rng, names)), thing.glyph.text.lower())

    return asker


def _of_glyph(family: str, forms: tuple[str, ...], answer: Callable[[Thing], str]) -> Asker:
    def asker(scene: Scene, rng: np.random.Generator) -> Question | None:
        marked = [t for t in scene.things if t.glyph]
        if not marked:
            return None
        thing = _pick(rng, marked)
        text = _pick(rng, forms).format(thing.glyph.kind, thing.glyph.text.lower())
        return Question(family, text, answer(thing))

    return asker


def _relation(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Asks for the nearest object of the same row or column of the board, on one side."""
    found = []
    for thing in scene.things:
        for side, (dx, dy) in SIDES.items():
            beside = [t for t in scene.things if _is_beside(thing, t, dx, dy)]
            if beside:
                nearest = min(beside, key=lambda t: abs(t.cell - thing.cell))
                found.append((side, thing, nearest))
    if not found:
        return None
    side, thing, other = _pick(rng, found)
    choices = (
        (NEIGHBOUR_FORMS, other.name),
        (NEIGHBOUR_SHAPE_FORMS, other.shape),
        (NEIGHBOUR_COLOR_FORMS, other.color),
    )
    forms, answer = _pick(rng, choices)
    return Question("relation", _pick(rng, forms).format(side, thing.name), answer)


def _is_beside(thing: Thing, other: Thing, dx: int, dy: int) -> bool:
    """Whether `other` stands in the same row or column as `thing`, in direction (dx, dy)."""
    x, y = other.cell % 3 - thing.cell % 3, other.cell // 3 - thing.cell // 3
    return (y == 0 and x * dx > 0) if dx else (x == 0 and y * dy > 0)


def _count(scene: Scene, rng: np.random.Generator) -> Question:
    by_shape = rng.random() < 0.5
    values = [t.shape if by_shape else t.color for t in scene.things]
    # Mostly what is there, and the more of it the likelier, or nearly every answer would be 0 or 1.
    value = _pick(rng, values) if rng.random() < 0.8 else _pick(rng, SHAPES if by_shape else list(COLORS))
    forms = SHAPE_COUNT_FORMS if by_shape else COLOR_COUNT_FORMS
    return Question("count", _pick(rng, forms).format(value), str(values.count(value)))


def _exist(scene: Scene, rng: np.random.Generator) -> Question:
    names = {t.name for t in scene.things}
    if rng.random() < 0.5:
        return Question("exist", _pick(rng, EXIST_FORMS).format(_pick(rng, sorted(names))), "yes")
    # A 'no' that needs both words: the colour and the shape are there, on different objects, where possible.
    mixed = sorted({f"{a.color} {b.shape}" for a in scene.things for b in scene.things} - names)
    absent = sorted({f"{c} {s}" for c in COLORS for s in SHAPES} - names)
    return Question("exist", _pick(rng, EXIST_FORMS).format(_pick(rng, mixed or absent)), "no")


def _attribute(family: str, forms: tuple[str, ...], given: str, asked: str) -> Asker:
    def asker(scene: Scene, rng: np.random.Generator) -> Question | None:
        values = [getattr(t, given) for t in scene.things]
        single = [t for t in scene.things if values.count(getattr(t, given)) == 1]
        if not single:
            return None
        thing = _pick(rng, single)
        return Question(family, _pick(rng, forms).format(getattr(thing, given)), getattr(thing, asked))

    return asker


FAMILIES: dict[str, Asker] = {
    "digit": _read("digit", DIGIT_FORMS),
    "letter": _read("letter", LETTER_FORMS),
    "color of character": _of_glyph("color of character", COLOR_OF_GLYPH_FORMS, lambda t: t.color),
    "shape of character": _of_glyph("shape of character", SHAPE_OF_GLYPH_FORMS, lambda t: t.shape),
    "relation": _relation,
    "count": _count,
    "exist": _exist,
    "color": _attribute("color", COLOR_FORMS, "shape", "color"),
    "shape": _attribute("shape", SHAPE_FORMS, "color", "shape"),
}
# Reading is the hard part and what the demo is for, so it is asked most.
WEIGHTS = {
    "digit": 0.24,
    "letter": 0.18,
    "color of character": 0.12,
    "shape of character": 0.1,
    "relation": 0.1,
    "count": 0.08,
    "exist": 0.08,
    "color": 0.05,
    "shape": 0.05,
}
assert set(WEIGHTS) == set(FAMILIES)


def words() -> list[str]:
    """Every word of every question and answer, in a fixed order: the vocabulary of the language model."""
    readings = DIGIT_FORMS + LETTER_FORMS + COLOR_OF_GLYPH_FORMS + SHAPE_OF_GLYPH_FORMS
    neighbours = NEIGHBOUR_FORMS + NEIGHBOUR_SHAPE_FORMS + NEIGHBOUR_COLOR_FORMS
    others = SHAPE_COUNT_FORMS + COLOR_COUNT_FORMS + EXIST_FORMS + COLOR_FORMS + SHAPE_FORMS
    text = " ".join((*readings, *neighbours, *others, *SIDES)).replace("{}s", " ").replace("{}", " ").replace("?", " ")
    plural = [f"{shape}s" for shape in SHAPES]
    characters = [*"0123456789", *"abcdefghijklmnopqrstuvwxyz"]
    return list(
        dict.fromkeys([*characters, *COLORS, *SHAPES, *plural, "digit", "letter", "yes", "no", *text.split(), "?"])
    )
