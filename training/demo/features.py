"""What the frozen tower makes of the training pictures, computed once for all arms and kept on disk beside it.

The layers below the first fused one do not depend on the question, so every arm can start from their output; the arm
without fusing needs only the last layer's. Both are kept as float16. Evaluation always runs the tower from the pixels.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from tqdm import tqdm
from transformers import CLIPVisionModel

from .data import load_split, normalize
from .pretrain import embed, run_layers
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
    folder = settings.out / "features"
    # Which tower and how many pictures they are of: a run of other ones, or one that was cut off, left others.
    done, wanted = folder / "done", f"{_digest(tower)} {settings.question_pictures}\n"
    if not done.exists() or done.read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        done.unlink(missing_ok=True)
        _compute(settings, tower, folder)
        done.write_text(wanted)
    return TowerFeatures(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in NAMES))


def _digest(tower: CLIPVisionModel) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tower.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


@torch.no_grad()
def _compute(settings: Settings, tower: CLIPVisionModel, folder: Path) -> None:
    pictures, _ = load_split("train", settings)
    pictures = pictures[: settings.question_pictures]
    shape = (len(pictures), (settings.picture // settings.patch) ** 2 + 1, settings.width)
    files = [open_memmap(folder / f"{name}.npy", "w+", np.float16, shape) for name in NAMES]
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
