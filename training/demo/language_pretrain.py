"""Teaches the language model to answer from pictures in words, before it meets any picture.

The paper's T5 comes pretrained: it reads and reasons before the first visual token arrives, and only has to get used
to what the tower sees. This one starts from nothing, so it learns what the words mean from the scenes' own labels.
Noise on the rows keeps it from trusting them to the last digit, since a projector will never be exact.
"""

import torch

from .arms import train
from .data import load_split
from .grids import WordGrids
from .language import build_language
from .pretrain import patch_labels
from .settings import Settings, device
from .stream import Batch

NOISE = 0.3  # beside embeddings of unit variance


def pretrain_language(settings: Settings) -> None:
    torch.manual_seed(0)
    language = build_language(settings).to(device())
    grids = WordGrids(settings, language.shared)
    _, scenes = load_split("train", settings)
    labels = torch.from_numpy(patch_labels(scenes[: settings.question_pictures], settings)).long()

    def loss(batch: Batch) -> torch.Tensor:
        rows = grids(labels[batch.pictures].to(device()))
        rows = rows + NOISE * torch.randn_like(rows)
        whole = torch.cat([rows, language.shared(batch.question)], 1)
        mask = torch.cat([batch.mask.new_ones(rows.shape[:2]), batch.mask], 1)
        return language(inputs_embeds=whole, attention_mask=mask, labels=batch.answer).loss

    groups = [{"params": list(language.parameters()), "lr": settings.language_rate}]
    train("language", settings, groups, loss, settings.language_steps, seed=1_000)
    torch.save(language.state_dict(), settings.out / "language.pt")
