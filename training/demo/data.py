"""Pictures as the tower sees them, rendered once and kept: uint8 [n, picture, picture, 3] beside their scenes."""

import os
from multiprocessing import Pool

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from .scenes import Scene, make_scene, render, rewritten
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
    """The pictures and scenes of 'train' or 'held_out'; renders them at the first call and keeps them for the next."""
    seeds, count = _seeds(split, settings)
    pictures = _rendered(f"{split}-{count}-{settings.picture}", [(seed, settings.picture, False) for seed in seeds])
    return pictures, [make_scene(seed) for seed in seeds]


def load_rewritten(settings: Settings) -> np.ndarray:
    """The first training pictures once more, with other characters on the same objects."""
    count = settings.rewritten_pictures
    jobs = [(seed, settings.picture, True) for seed in TRAIN_SEEDS[:count]]
    return _rendered(f"rewritten-{count}-{settings.picture}", jobs)


def _rendered(name: str, jobs: list[tuple[int, int, bool]]) -> np.ndarray:
    path = SCRATCH / f"pictures-{name}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        pictures = np.empty((len(jobs), jobs[0][1], jobs[0][1], 3), np.uint8)
        with Pool(os.cpu_count()) as pool:
            drawn = pool.imap(_picture, jobs, chunksize=64)
            for i, picture in enumerate(tqdm(drawn, f"render {name}", total=len(jobs), mininterval=5)):
                pictures[i] = picture
        unfinished = path.with_name(f"unfinished-{path.name}")
        np.save(unfinished, pictures)
        unfinished.replace(path)
    pictures = np.load(path, mmap_mode="r")
    if not np.array_equal(pictures[0], _picture(jobs[0])):
        raise ValueError(f"Expected the pictures that are drawn today in {path} but received others: remove it")
    return pictures


def _seeds(split: str, settings: Settings) -> tuple[range, int]:
    seeds, count = {
        "train": (TRAIN_SEEDS, settings.train_pictures),
        "held_out": (HELD_OUT_SEEDS, settings.held_out_pictures),
    }[split]
    if count > len(seeds):
        raise ValueError(f"Expected at most {len(seeds)} pictures for {split} but received {count}")
    return seeds[:count], count


def _picture(job: tuple[int, int, bool]) -> np.ndarray:
    seed, side, other_characters = job
    scene = make_scene(seed)
    return shrink(render(rewritten(scene) if other_characters else scene), side)
