"""Pictures as qavit sees them: decoded as it does, and prepared by the image processors of transformers in the form
that resamples with Pillow, bit for bit as qavit does."""

import json
import math
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from transformers import BaseImageProcessor, BatchFeature
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, PILImageResampling, SizeDict
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil


class DINOv3ViTImageProcessorPil(ViTImageProcessorPil):
    """transformers has it on torchvision alone, where numbers are resized instead of bytes: half a level apart."""

    image_mean = IMAGENET_DEFAULT_MEAN
    image_std = IMAGENET_DEFAULT_STD


class NaFlexImageProcessorPil(SiglipImageProcessorPil):
    """SigLIP 2's in the form of the others: pictures instead of patches, of one size or as InOwnShapes makes them."""

    resample = PILImageResampling.BILINEAR


class WholeIdefics3ImageProcessorPil(Idefics3ImageProcessorPil):
    """A picture as a whole, without tiles besides. SmolVLM's does the same."""

    def __call__(self, picture: Image.Image, **options: object) -> BatchFeature:
        inputs = super().__call__([[picture]], do_image_splitting=False, **options)
        return BatchFeature({"pixel_values": inputs["pixel_values"][0]})


class WholeGotOcr2ImageProcessorPil(GotOcr2ImageProcessorPil):
    """InternVL's, without tiles."""

    def __call__(self, picture: Image.Image, **options: object) -> BatchFeature:
        return super().__call__(picture, crop_to_patches=False, **options)


class WholeQwen2VLImageProcessorPil(Qwen2VLImageProcessorPil):
    """Pictures instead of their patches."""

    def __init__(self, **fields: object):
        # Otherwise min_pixels and max_pixels would change the class's own size, for all that come after.
        super().__init__(**{"size": dict(type(self).size), **fields})

    def resize(self, image: np.ndarray, size: SizeDict, resample: object, factor: int, **more: object) -> np.ndarray:
        """As lib/image/geometry.ts: where transformers makes more of a picture than it may, no more than that."""
        height, width = image.shape[-2:]
        most = size.longest_edge
        edges = smart_resize(height, width, factor, size.shortest_edge, most)
        if math.prod(edges) > most:
            shrinkage = math.sqrt(height * width / most)
            within = (max(1, math.floor(edge / shrinkage / factor)) for edge in (height, width))
            edges = tuple(min(count, most // factor**2) * factor for count in within)
        return PilBackend.resize(self, image, SizeDict(height=edges[0], width=edges[1]), resample)

    def __call__(self, picture: Image.Image, **options: object) -> BatchFeature:
        inputs = super().__call__(picture, **options)
        (_, rows, columns), side, patch = inputs["image_grid_thw"][0].tolist(), self.merge_size, self.patch_size
        film = inputs["pixel_values"].reshape(rows // side, columns // side, side, side, 3, -1, patch, patch)
        # (row, column) of squares and of patches in them, channel, y, x -> channel, (row, row, y), (column, column, x)
        whole = film[:, :, :, :, :, 0].permute(4, 0, 2, 5, 1, 3, 6).reshape(1, 3, rows * patch, columns * patch)
        return BatchFeature({"pixel_values": whole})


class WithoutTiles:
    """The whole, which comes first."""

    def get_image_patches(self, *args: object, **options: object) -> list[np.ndarray]:
        return super().get_image_patches(*args, **options)[:1]

    def __call__(self, picture: Image.Image, **options: object) -> BatchFeature:
        inputs = super().__call__(picture, **options)
        return BatchFeature({"pixel_values": inputs["pixel_values"][0]})


class WholeLlavaNextImageProcessorPil(WithoutTiles, LlavaNextImageProcessorPil):
    pass


class WholeLlavaOnevisionImageProcessorPil(WithoutTiles, LlavaOnevisionImageProcessorPil):
    pass


PROCESSORS = {
    "BitImageProcessor": BitImageProcessorPil,
    "BlipImageProcessor": BlipImageProcessorPil,
    "CLIPImageProcessor": CLIPImageProcessorPil,
    "DINOv3ViTImageProcessor": DINOv3ViTImageProcessorPil,
    "DeiTImageProcessor": DeiTImageProcessorPil,
    "Gemma3ImageProcessor": Gemma3ImageProcessorPil,
    "GotOcr2ImageProcessor": WholeGotOcr2ImageProcessorPil,
    "Idefics3ImageProcessor": WholeIdefics3ImageProcessorPil,
    "LlavaImageProcessor": LlavaImageProcessorPil,
    "LlavaNextImageProcessor": WholeLlavaNextImageProcessorPil,
    "LlavaOnevisionImageProcessor": WholeLlavaOnevisionImageProcessorPil,
    "SmolVLMImageProcessor": WholeIdefics3ImageProcessorPil,
    "Qwen2VLImageProcessor": WholeQwen2VLImageProcessorPil,
    "Siglip2ImageProcessor": NaFlexImageProcessorPil,
    "SiglipImageProcessor": SiglipImageProcessorPil,
    "ViTImageProcessor": ViTImageProcessorPil,
}

# Of models whose files name none, by the beginning of their model_type, as lib/image/processor-families.ts has it.
OF_MODELS = {
    "vit": "ViTImageProcessor",
    "dinov2": "BitImageProcessor",
    "dinov3_vit": "DINOv3ViTImageProcessor",
    "siglip2": "Siglip2ImageProcessor",
    "siglip": "SiglipImageProcessor",
    "paligemma": "SiglipImageProcessor",
    "blip": "BlipImageProcessor",
    "instructblip": "BlipImageProcessor",
    "gemma3": "Gemma3ImageProcessor",
    "idefics3": "Idefics3ImageProcessor",
    "smolvlm": "SmolVLMImageProcessor",
    "internvl": "GotOcr2ImageProcessor",
    "qwen2_vl": "Qwen2VLImageProcessor",
    "qwen3_vl": "Qwen2VLImageProcessor",
    "qwen3_5": "Qwen2VLImageProcessor",
    "llava_next": "LlavaNextImageProcessor",
    "llava_onevision": "LlavaOnevisionImageProcessor",
}

# They would change the pixels, or make several pictures of one: lib/image/preprocessor-config.ts refuses them too.
UNKNOWN_STEPS = ("do_pad", "use_square_size", "crop_to_patches")
# Those of these are left out, or have no others to be padded to.
KNOWN_STEPS = {
    WholeGotOcr2ImageProcessorPil: {"crop_to_patches"},
    WholeLlavaNextImageProcessorPil: {"do_pad"},
    WholeLlavaOnevisionImageProcessorPil: {"do_pad"},
    WholeIdefics3ImageProcessorPil: {"do_pad", "use_square_size", "crop_to_patches"},
}

# lib/image/formats.ts refuses the others.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF")

# What makes a picture upright, by its orientation.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_picture(file: Path) -> Image.Image:
    """RGB, the way people see it; of 16-bit grey the upper 8 bits, where Pillow would clip to white."""
    try:
        with Image.open(file, formats=FORMATS) as picture:
            upright = turn(picture)
    except UnidentifiedImageError as error:
        raise ValueError(
            f"Expected JPEG, PNG, WebP, GIF, TIFF or AVIF for {file} but received another format"
        ) from error
    except Exception as error:  # decoders raise whatever they trip over, and seldom say in which file
        raise ValueError(
            f"Expected a picture that can be read for {file} but received one that cannot: {error}"
        ) from error
    if upright.mode.startswith("I;16"):
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    return upright.convert("RGB")


def turn(picture: Image.Image) -> Image.Image:
    """By EXIF alone, as qavit does.

    ImageOps.exif_transpose would go by XMP too, and fail where it cannot write the rest of the EXIF anew.
    """
    forget_xmp(picture)  # a TIFF is turned while it is loaded
    picture.load()
    forget_xmp(picture)  # a PNG may have it behind its pixels
    how = TURNS.get(picture.getexif().get(ExifTags.Base.Orientation))
    return picture.copy() if how is None else picture.transpose(how)


def forget_xmp(picture: Image.Image) -> None:
    for name in ("xmp", "XML:com.adobe.xmp"):
        picture.info.pop(name, None)


def read_config(folder: Path) -> dict:
    """The image half of processor_config.json, else preprocessor_config.json, in from_pretrained's order."""
    joint = folder / "processor_config.json"
    nested = json.loads(joint.read_text()).get("image_processor") if joint.is_file() else None
    return json.loads((folder / "preprocessor_config.json").read_text()) if nested is None else nested


def own_processor(folder: Path) -> str:
    file = folder / "config.json"
    model_type = json.loads(file.read_text()).get("model_type", "") if file.is_file() else ""
    return next((name for kind, name in OF_MODELS.items() if model_type.startswith(kind)), "CLIPImageProcessor")


def load_processor(folder: Path) -> BaseImageProcessor:
    """What its configuration names; where that names nothing the model's own, or else CLIP's, as in qavit."""
    config = read_config(folder)
    name = config.get("image_processor_type") or config.get("feature_extractor_type") or own_processor(folder)
    # 'Fast' names the library that does the work, 'FeatureExtractor' is the class name before 2023.
    kind = name.removesuffix("Fast").removesuffix("Pil").replace("FeatureExtractor", "ImageProcessor")
    if kind not in PROCESSORS:
        raise ValueError(f"Expected one of {', '.join(PROCESSORS)} in {folder} but received {name}")
    known = KNOWN_STEPS.get(PROCESSORS[kind], ())
    for step in UNKNOWN_STEPS:
        if config.get(step) and step not in known:
            raise ValueError(f"Expected pictures as a whole in {folder} but received {step}")
    return PROCESSORS[kind].from_pretrained(folder)


def max_patches(folder: Path, patch: int) -> int:
    """Of a picture in its own shape, as a NaFlex tower's folder says; `patch`: the side of the tower's."""
    config = read_config(folder)
    found = config.get("patch_size") or 16
    if found != patch:
        raise ValueError(f"Expected patch_size {patch}, the tower's, for the pictures of {folder} but received {found}")
    return config.get("max_num_patches") or 256
