"""Batches of questions about training pictures. The same seed gives every arm the same pictures and questions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer

from .language import PAD, tokenize
from .questions import Question, ask_any
from .scenes import Scene, is_held_out


@dataclass(frozen=True)
class Batch:
    pictures: torch.Tensor  # int64 [B], rows of the training pictures
    question: torch.Tensor  # int64 [B, K]
    mask: torch.Tensor  # int64 [B, K]
    answer: torch.Tensor  # int64 [B, T], -100 where padded, as the loss wants it

    def to(self, device: torch.device) -> "Batch":
        return Batch(self.pictures, self.question.to(device), self.mask.to(device), self.answer.to(device))


def stream(scenes: list[Scene], tokenizer: Tokenizer, size: int, seed: int) -> Iterator[Batch]:
    """Endless: every picture once in random order, one question each, then again with other questions."""
    assert not any(is_held_out(scene.seed) for scene in scenes)
    if len(scenes) < size:
        raise ValueError(f"Expected at least {size} pictures for a batch but received {len(scenes)}")
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(scenes))
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            yield collate(chosen, [ask_any(scenes[i], rng) for i in chosen], tokenizer)


def collate(pictures: np.ndarray, questions: list[Question], tokenizer: Tokenizer) -> Batch:
    ids, mask = tokenize(tokenizer, [q.text for q in questions])
    answers, _ = tokenize(tokenizer, [q.answer for q in questions])
    return Batch(torch.from_numpy(np.array(pictures)), ids, mask, answers.masked_fill(answers == PAD, -100))
