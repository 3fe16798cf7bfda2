"""What the frozen tower makes of the training pictures, computed once for all arms and kept on disk.

The layers below the first fused one do not depend on the question, so every arm can start from their output; the arm
without fusing needs only the last layer's. Both are kept as float16. Evaluation always runs the tower from the pixels.
"""

import numpy as np
import torch
from numpy.lib.format import open_memmap
from tqdm import tqdm
from transformers import CLIPVisionModel

from .data import load_split, normalize
from .pretrain import embed, features_folder, run_layers
from .settings import Settings, device

CHUNK = 250
NAMES = ("middle", "last")


class TowerFeatures:
    """`middle`: input of the first fused layer. `last`: output of the plain tower. float16 [pictures, M, C]."""

    def __init__(self, middle: np.ndarray, last: np.ndarray):
        self._middle, self._last = middle, last

    def middle(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self._middle[rows.numpy()]).float().to(device())

    def last(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self._last[rows.numpy()]).float().to(device())


def load_features(settings: Settings, tower: CLIPVisionModel) -> TowerFeatures:
    folder = features_folder(settings)
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _compute(settings, tower)
        (folder / "done").touch()
    return TowerFeatures(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in NAMES))


@torch.no_grad()
def _compute(settings: Settings, tower: CLIPVisionModel) -> None:
    pictures, _ = load_split("train", settings)
    pictures = pictures[: settings.question_pictures]
    shape = (len(pictures), (settings.picture // settings.patch) ** 2 + 1, settings.width)
    files = [open_memmap(features_folder(settings) / f"{name}.npy", "w+", np.float16, shape) for name in NAMES]
    for start in tqdm(range(0, len(pictures), CHUNK), "tower features", mininterval=10):
        pixels = normalize(torch.from_numpy(np.array(pictures[start : start + CHUNK])).to(device()))
        middle = run_layers(tower, embed(tower, pixels), 0, settings.layers // 2)
        last = run_layers(tower, middle, settings.layers // 2, settings.layers)
        for file, hidden in zip(files, (middle, last), strict=True):
            file[start : start + CHUNK] = hidden.half().cpu().numpy()


def load_tower(settings: Settings) -> CLIPVisionModel:
    """The pretrained tower, frozen."""
    tower = CLIPVisionModel.from_pretrained(settings.out / "tower", dtype=torch.float32)
    return tower.to(device()).eval().requires_grad_(False)
