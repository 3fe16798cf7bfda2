"""`python pillow_digests.py`: what Pillow and transformers' processors make of pictures, for test/image/pillow.test.ts.

Only SHA-256 digests are kept: the pictures are noise that both sides generate, so that many cases stay a few kilobytes.
"""

import hashlib
import json
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

OUTPUT = Path(__file__).parent.parent / "test/fixtures/images/pillow-digests.json"
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}

# From width x height to width x height: enlarged, reduced, one side or none changed, single rows, odd ratios.
SIZES = [
    (17, 13, 5, 4), (5, 4, 17, 13), (64, 48, 32, 24), (64, 48, 33, 25), (50, 37, 24, 24), (24, 24, 50, 37),
    (40, 30, 40, 11), (40, 30, 11, 30), (40, 30, 40, 61), (40, 30, 61, 30), (21, 19, 21, 19), (1, 1, 9, 7),
    (9, 7, 1, 1), (1, 90, 7, 9), (90, 1, 9, 7), (7, 3, 1, 80), (15, 16, 16, 15), (6, 6, 5, 5), (333, 250, 112, 84),
    # A hundred times as tall as wide, where Pillow turns the order of its passes round, and just not.
    (3, 301, 11, 97), (3, 300, 11, 97), (3, 301, 11, 310),
]  # fmt: skip

CONFIGS = [
    {}, {"size": 30, "crop_size": 30}, {"size": {"shortest_edge": 30}, "crop_size": {"height": 28, "width": 27}},
    {"size": {"shortest_edge": 31}, "do_center_crop": False, "resample": 2},
    {"size": {"shortest_edge": 25, "longest_edge": 33}, "do_center_crop": False, "resample": 1},
    {"size": {"height": 22, "width": 29}, "crop_size": 22, "resample": 4},
    {"do_resize": False, "crop_size": {"height": 41, "width": 40}},
    {"do_resize": False, "crop_size": {"height": 12, "width": 75}},
    {"size": 19, "crop_size": {"height": 24, "width": 23}, "resample": 0},
    {"image_processor_type": "ViTImageProcessor", "size": 26},
    {"image_processor_type": "ViTImageProcessor", "size": [27, 20], "resample": 5},
]  # fmt: skip
PICTURES = [(40, 30), (31, 64), (47, 46), (33, 33), (120, 9)]


def noise(width: int, height: int) -> np.ndarray:
    """The same linear congruential generator as test/image/support.ts."""
    state, values = 1, bytearray()
    for _ in range(width * height * 3):
        state = (state * 1103515245 + 12345) % 2**32
        values.append(state >> 16 & 255)
    return np.frombuffer(bytes(values), np.uint8).reshape(height, width, 3)


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def resize_case(name: str, sizes: tuple[int, int, int, int]) -> dict:
    resized = Image.fromarray(noise(*sizes[:2])).resize(sizes[2:], FILTERS[name])
    return {"filter": name, "sizes": sizes, "sha256": digest(np.asarray(resized))}


def processor_case(config: dict, picture: tuple[int, int]) -> dict:
    fields = dict(config)
    is_vit = fields.pop("image_processor_type", "") == "ViTImageProcessor"
    processor = (ViTImageProcessorPil if is_vit else CLIPImageProcessorPil)(**fields)
    image = Image.fromarray(noise(*picture))
    pixels = processor(image, do_rescale=False, do_normalize=False)["pixel_values"][0].transpose(1, 2, 0)
    height, width, _ = pixels.shape
    return {"config": config, "picture": picture, "prepared": [width, height], "sha256": digest(pixels)}


def main() -> None:
    digests = {
        "resize": [resize_case(name, sizes) for name, sizes in product(FILTERS, SIZES)],
        "processors": [processor_case(config, picture) for config, picture in product(CONFIGS, PICTURES)],
    }
    rows = [f'  "{name}": [\n' + ",\n".join(f"    {json.dumps(case)}" for case in cases) + "\n  ]"
            for name, cases in digests.items()]  # fmt: skip
    OUTPUT.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    print(f"{len(digests['resize'])} resizes and {len(digests['processors'])} processed pictures in {OUTPUT.name}")


if __name__ == "__main__":
    main()
