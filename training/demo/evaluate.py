"""Exact match on held-out scenes, per question family."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer

from .data import load_split, normalize
from .questions import FAMILIES, Question, ask
from .reader import text_of
from .scenes import is_held_out
from .settings import Settings, device
from .stream import collate

CHUNK = 256

# Pixels, question ids and their mask -> answer ids.
Answerer = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class HeldOut:
    pictures: np.ndarray
    rows: np.ndarray  # picture of each question
    questions: list[Question]


def held_out_questions(settings: Settings) -> HeldOut:
    """One question of every family for every held-out picture that allows one; the same for all arms and seeds."""
    pictures, scenes = load_split("held_out", settings)
    assert all(is_held_out(scene.seed) for scene in scenes)
    rows, questions = [], []
    for i, scene in enumerate(scenes):
        rng = np.random.default_rng((scene.seed, 1))
        for family in FAMILIES:
            question = ask(scene, rng, family)
            if question:
                rows.append(i)
                questions.append(question)
    return HeldOut(pictures, np.array(rows), questions)


@torch.no_grad()
def exact_match(answer: Answerer, held_out: HeldOut, tokenizer: Tokenizer) -> dict[str, float]:
    """Share of right answers in per cent: one entry a family, and their mean as 'all families'."""
    right: dict[str, list[bool]] = {family: [] for family in FAMILIES}
    for start in range(0, len(held_out.questions), CHUNK):
        part = slice(start, start + CHUNK)
        batch = collate(held_out.rows[part], held_out.questions[part], tokenizer).to(device())
        pixels = normalize(torch.from_numpy(held_out.pictures[held_out.rows[part]]).to(device()))
        said = text_of(tokenizer, answer(pixels, batch.question, batch.mask))
        for question, text in zip(held_out.questions[part], said, strict=True):
            right[question.family].append(text == question.answer)
    scores = {family: 100.0 * float(np.mean(hits)) for family, hits in right.items()}
    return {**scores, "all families": float(np.mean(list(scores.values())))}
