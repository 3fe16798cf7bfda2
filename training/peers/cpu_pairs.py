"""Questions about pictures on the CPU, in three ways: u8 pictures and f32 questions to the f32 tokens of all pairs."""

import torch

from .as_published import AsPublished
from .cpu_models import Normalized
from .folded import FoldedTower


class Pairwise(torch.nn.Module):
    """Each pair of picture and question from the pixels up, all pairs as one batch."""

    def __init__(self, model: torch.nn.Module, dtype: torch.dtype):
        super().__init__()
        self.normalized, self.model, self.dtype = Normalized(dtype), model.to(dtype), dtype

    def forward(self, pixels: torch.Tensor, questions: torch.Tensor) -> torch.Tensor:
        images, count = pixels.shape[0], questions.shape[0]
        pixels = self.normalized(pixels).repeat_interleave(count, 0)
        return self.model(pixels, questions.to(self.dtype).repeat(images, 1, 1)).float()


class Specification(torch.nn.Module):
    """The tower that training/ trains: PyTorch's fused attention, asked by visual rows alone."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor, questions: torch.Tensor) -> torch.Tensor:
        return self.model(pixels, questions)[0]


class Reused(torch.nn.Module):
    """The same with what pairs share computed once, and qavit's folds."""

    def __init__(self, model: torch.nn.Module, dtype: torch.dtype):
        super().__init__()
        self.normalized, self.folded, self.dtype = Normalized(dtype), FoldedTower(model).to(dtype), dtype

    def forward(self, pixels: torch.Tensor, questions: torch.Tensor) -> torch.Tensor:
        return self.folded(self.normalized(pixels), questions.to(self.dtype)).float()


PAIRS = {
    "published": lambda model, dtype: Pairwise(AsPublished(model), dtype),
    "pairwise": lambda model, dtype: Pairwise(Specification(model), dtype),
    "reuse": Reused,
}
