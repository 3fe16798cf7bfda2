"""Pictures in words: one vector a patch, the sum of the language model's own embeddings for what the patch shows.

This is what a perfect tower and projector would hand over. The language model learns to answer from it before it meets
any picture (`language_pretrain.py`), and the projector starts by imitating it (`align.py`).
"""

import torch
from torch import nn

from .language import build_tokenizer
from .pretrain import GLYPHS
from .scenes import COLORS, SHAPES
from .settings import Settings, device

PLACE_SCALE = 0.5  # of a place's code, beside embeddings of unit variance


class WordGrids(nn.Module):
    """Labels [B, patches, 3] (colour, shape, character; 0: none) -> [B, 1 + patches, E]; the class token's row is 0."""

    def __init__(self, settings: Settings, table: nn.Embedding):
        super().__init__()
        tokenizer = build_tokenizer()
        self.table = table  # the language model's; trained with it
        self.ids = [
            torch.tensor([tokenizer.token_to_id(name) for name in names], device=device())
            for names in (COLORS, SHAPES, GLYPHS.lower())
        ]
        patches = (settings.picture // settings.patch) ** 2
        codes = torch.randn(patches, settings.language_width, generator=torch.Generator().manual_seed(0))
        self.places = PLACE_SCALE * codes.to(device())

    def forward(self, labels: torch.Tensor) -> torch.Tensor:
        rows = self.places.expand(len(labels), -1, -1)
        for column, ids in enumerate(self.ids):
            words = self.table(ids)
            words = torch.cat([torch.zeros_like(words[:1]), words])  # class 0 is 'nothing there'
            rows = rows + words[labels[..., column]]
        return torch.cat([torch.zeros_like(rows[:, :1]), rows], 1)
