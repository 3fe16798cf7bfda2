"""What the frozen tower makes of the training pictures, computed once for all arms.

The layers below the first fused one do not depend on the question, so every arm can start from their output; the arm
without fusing needs only the last layer's. Both are kept as float16. Evaluation always runs the tower from the pixels.
"""

import numpy as np
import torch
from tqdm import tqdm
from transformers import CLIPVisionModel

from .data import load_split, normalize
from .pretrain import run_tower
from .settings import Settings, device

CHUNK = 250


class TowerFeatures:
    """`middle`: input of the first fused layer. `last`: output of the plain tower. float16 [pictures, M, C]."""

    def __init__(self, middle: np.ndarray, last: np.ndarray):
        self._middle, self._last = torch.from_numpy(middle), torch.from_numpy(last)

    def middle(self, rows: torch.Tensor) -> torch.Tensor:
        return self._middle[rows].float().to(device())

    def last(self, rows: torch.Tensor) -> torch.Tensor:
        return self._last[rows].float().to(device())


@torch.no_grad()
def compute_features(tower: CLIPVisionModel, settings: Settings) -> TowerFeatures:
    pictures, _ = load_split("train", settings)
    tokens = (settings.picture // settings.patch) ** 2 + 1
    shape = (len(pictures), tokens, settings.width)
    middle, last = np.empty(shape, np.float16), np.empty(shape, np.float16)
    for start in tqdm(range(0, len(pictures), CHUNK), "tower features", mininterval=10):
        pixels = normalize(torch.from_numpy(np.array(pictures[start : start + CHUNK])).to(device()))
        halves = run_tower(tower, pixels, settings.layers // 2, whole=True)
        middle[start : start + CHUNK], last[start : start + CHUNK] = (h.half().cpu().numpy() for h in halves)
    return TowerFeatures(middle, last)


def load_tower(settings: Settings) -> CLIPVisionModel:
    """The pretrained tower, frozen."""
    tower = CLIPVisionModel.from_pretrained(settings.out / "tower", dtype=torch.float32)
    return tower.to(device()).eval().requires_grad_(False)
