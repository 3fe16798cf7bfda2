"""Pictures of another size than the folder says, as lib/image/at-size.ts has them: resize and crop grow alike.

Or each in a shape of its own, as lib/image/own-shapes.ts has them.
"""

import math
from dataclasses import dataclass

from PIL import Image
from transformers import BaseImageProcessor, BatchFeature
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import get_image_size_for_max_num_patches


@dataclass(frozen=True)
class PictureSize:
    """Pixels."""

    width: int
    height: int

    @staticmethod
    def parse(text: str) -> "PictureSize":
        """`448`, a square, or `448x252`."""
        edges = [int(edge) if edge.isdecimal() and edge.isascii() else 0 for edge in text.split("x")]
        if len(edges) > 2 or not all(1 <= edge <= 4096 for edge in edges):
            raise ValueError(f"Expected a whole number from 1 to 4096, or two as in 640x360, but received {text}")
        return PictureSize(edges[0], edges[-1])

    def config(self) -> int | dict[str, int]:
        """As an adapter's config.json keeps it."""
        return self.width if self.width == self.height else {"width": self.width, "height": self.height}

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class AtSize:
    """An image processor for pictures of `size`."""

    def __init__(self, processor: BaseImageProcessor, size: PictureSize):
        if isinstance(processor, Idefics3ImageProcessorPil):
            raise ValueError(
                "Expected a tower whose pictures are resized once for --image-size but received Idefics3's"
            )
        cropped = processor.crop_size if processor.do_center_crop else None
        own = processor.size
        bounded = own.shortest_edge is not None and (cropped is None or own.longest_edge is not None)
        if processor.do_resize and bounded:
            raise ValueError(
                f"Expected pictures that become of one size for --image-size but received size {dict(own)}"
            )
        self.processor, self.size, self.cropped = processor, size, cropped

    def __call__(self, picture: Image.Image, **options: object) -> BatchFeature:
        width, height = self.size.width, self.size.height
        steps = {} if self.cropped is None else {"crop_size": {"width": width, "height": height}}
        if self.processor.do_resize:
            steps["size"] = dict(zip(("width", "height"), self._resized(picture), strict=True))
        return self.processor(picture, **steps, **options)

    def _resized(self, picture: Image.Image) -> tuple[int, int]:
        own, cropped, (width, height) = self.processor.size, self.cropped, (self.size.width, self.size.height)
        if cropped is None:
            return width, height
        if own.shortest_edge is None:
            return rounded(own.width * width / cropped.width), rounded(own.height * height / cropped.height)
        edge = min(cropped.width, cropped.height)
        return covering(
            picture.size, (rounded(own.shortest_edge * width / edge), rounded(own.shortest_edge * height / edge))
        )


class InOwnShapes:
    """An image processor for pictures that are seen whole, each in its own shape, of at most `most` patches.

    Qwen2-VL's goes by its own rule, which counts pixels of whole squares of patches.
    """

    def __init__(self, processor: BaseImageProcessor, patch: int, most: int):
        if isinstance(processor, Idefics3ImageProcessorPil) or not processor.do_resize:
            found = "Idefics3's" if processor.do_resize else "do_resize false"
            raise ValueError(f"Expected a tower whose pictures are resized once for --max-patches but received {found}")
        self.processor, self.patch, self.most = processor, patch, most
        self.pixels = None
        if isinstance(processor, Qwen2VLImageProcessorPil):
            square = processor.merge_size**2
            if most < square:
                raise ValueError(f"Expected at least {square} for --max-patches but received {most}")
            longest = most // square * square * patch**2
            self.pixels = {"shortest_edge": min(processor.size.shortest_edge, longest), "longest_edge": longest}

    def __call__(self, picture: Image.Image, **options: object) -> BatchFeature:
        if self.pixels is not None:
            return self.processor(picture, size=self.pixels, **options)
        height, width = get_image_size_for_max_num_patches(picture.height, picture.width, self.patch, self.most)
        whole = {"do_center_crop": False} if self.processor.do_center_crop else {}
        return self.processor(picture, size={"height": height, "width": width}, **whole, **options)


Processor = BaseImageProcessor | AtSize | InOwnShapes


def covering(picture: tuple[int, int], window: tuple[int, int]) -> tuple[int, int]:
    """The smallest size of a picture's proportions that the window has room in."""
    if window[0] * picture[1] > picture[0] * window[1]:
        return window[0], int(window[0] * picture[1] / picture[0])
    return int(window[1] * picture[0] / picture[1]), window[1]


def rounded(value: float) -> int:
    """JavaScript's Math.round."""
    return math.floor(value + 0.5)
