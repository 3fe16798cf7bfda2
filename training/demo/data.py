"""Pictures as the tower sees them, rendered once and kept: uint8 [n, picture, picture, 3] beside their scenes."""

import os
from multiprocessing import Pool

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from .scenes import Scene, make_scene, render
from .settings import HELD_OUT_SEEDS, SCRATCH, TRAIN_SEEDS, Settings

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def shrink(picture: Image.Image, side: int) -> np.ndarray:
    """What CLIPImageProcessor does before it normalises, for a square picture: Pillow's bicubic."""
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))


def normalize(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 [B, side, side, 3] -> float [B, 3, side, side]."""
    mean, std = (torch.tensor(v, device=pixels.device) for v in (MEAN, STD))
    return ((pixels.float() / 255.0 - mean) / std).permute(0, 3, 1, 2).contiguous()


def load_split(split: str, settings: Settings) -> tuple[np.ndarray, list[Scene]]:
    """The pictures and scenes of 'train' or 'held_out'; renders them at the first call."""
    seeds, count = _seeds(split, settings)
    path = SCRATCH / f"pictures-{split}-{count}-{settings.picture}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        pictures = np.empty((count, settings.picture, settings.picture, 3), np.uint8)
        with Pool(os.cpu_count()) as pool:
            jobs = pool.imap(_picture, ((seed, settings.picture) for seed in seeds), chunksize=64)
            for i, picture in enumerate(tqdm(jobs, f"render {split}", total=count, mininterval=5)):
                pictures[i] = picture
        np.save(path, pictures)
    return np.load(path, mmap_mode="r"), [make_scene(seed) for seed in seeds]


def _seeds(split: str, settings: Settings) -> tuple[range, int]:
    seeds, count = {
        "train": (TRAIN_SEEDS, settings.train_pictures),
        "held_out": (HELD_OUT_SEEDS, settings.held_out_pictures),
    }[split]
    if count > len(seeds):
        raise ValueError(f"Expected at most {len(seeds)} pictures for {split} but received {count}")
    return seeds[:count], count


def _picture(job: tuple[int, int]) -> np.ndarray:
    seed, side = job
    return shrink(render(make_scene(seed)), side)
