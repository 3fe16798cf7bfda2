"""A JPEG like a photograph's, and Pillow with transformers' CLIPImageProcessor on it."""

from collections.abc import Callable
from pathlib import Path

import numpy
from PIL import Image


def write(file: Path, width: int, height: int) -> None:
    """Soft shapes of all sizes with a little noise: about as hard to decode as a photograph."""
    draw = numpy.random.default_rng(0)
    picture = numpy.zeros((height, width, 3), numpy.float32)
    for scale in (4, 16, 64, 256):
        coarse = draw.integers(0, 256, (max(2, height * scale // 1920), max(2, width * scale // 1920), 3), numpy.uint8)
        picture += numpy.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)) / 4
    picture += draw.normal(0, 4, picture.shape)
    Image.fromarray(picture.clip(0, 255).astype(numpy.uint8)).save(file, quality=90)


def preprocess(file: Path, edge: int) -> Callable[[], numpy.ndarray]:
    """From the file to the tower's input, f32 [3, S, S]."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil(size={"shortest_edge": edge}, crop_size={"height": edge, "width": edge})
    return lambda: processor(Image.open(file), return_tensors="np")["pixel_values"][0]
