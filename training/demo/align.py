"""Aligns an arm with the language model: a visual token starts as the words for what its patch shows.

The language model stays as it was pretrained; the projector learns, and so does the adapter of the arms that have one.
All arms see the same pictures and questions for the same number of steps.
"""

import torch
from torch.nn import functional as F

from .data import load_split
from .grids import WordGrids
from .pretrain import patch_labels
from .reader import Reader
from .settings import Settings, device
from .stream import Batch

BACKGROUND_WEIGHT = 0.1


class Alignment:
    """How far visual tokens are from the words for what they show."""

    def __init__(self, settings: Settings, reader: Reader):
        _, scenes = load_split("train", settings)
        self.labels = torch.from_numpy(patch_labels(scenes[: settings.question_pictures], settings)).long()
        self.grids = WordGrids(settings, reader.language.shared)
        self.reader = reader

    def loss(self, visual: torch.Tensor, batch: Batch) -> torch.Tensor:
        """`visual` [B, M, C] of the pictures of `batch`."""
        label = self.labels[batch.pictures].to(device())
        with torch.no_grad():
            target = self.grids(label)
        shown = F.pad(label[..., :1], (0, 0, 1, 0)) > 0  # the class token shows nothing
        weight = torch.where(shown, 1.0, BACKGROUND_WEIGHT)
        return (weight * F.mse_loss(self.reader.projector(visual).float(), target, reduction="none")).mean()
