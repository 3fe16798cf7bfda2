"""`python -m adapter.check_data`: which lines of data and which pictures are taken, and where others are said to be."""

import codecs
import json
import struct
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

import torch
from PIL import ExifTags, Image, ImageOps

from .check_language import refused
from .data import Batch, read_samples
from .pictures import load_processor, open_picture


def line(**fields: object) -> bytes:
    whole = {"image": "a.png", "question": "what is it?", "answer": "red"} | fields
    return json.dumps(whole, ensure_ascii=False).encode("utf-8", "surrogatepass")


def check_lines(file: Path) -> None:
    # Ends of lines for str.splitlines(), not for JSON.
    texts = [f"what is{end}it?" for end in ("\u2028", "\u2029", "\x85", "\u00e9")]
    lines = [line(question=text) for text in texts]
    for joined in (b"\n".join(lines), b"\r\n".join(lines), codecs.BOM_UTF8 + b"\n\n".join(lines) + b"\n"):
        file.write_bytes(joined)
        assert [sample.question for sample in read_samples(file)] == texts
    for bad, wanted in (
        (b'{"image": "a.png"', "Expected an object with image, question and answer"),
        (line(question=7), "Expected a text as question"),
        (line(answer=[]), "one or more as answer"),
        (line(answer=["red", None]), "one or more as answer"),
        (line(answer={"text": "red"}), "one or more as answer"),
        (line(question="what is\udcff it?"), "Expected an object with image, question and answer"),
        (line(question="cut").replace(b"cut", b"\\ud83d"), "Expected whole characters"),
        (line(answer="cut").replace(b"cut", b"\\ude00"), "Expected whole characters"),
        (line(image="b.png"), "Expected a picture"),
    ):
        file.write_bytes(b"\n".join([*lines, b"", bad]))
        refused(wanted, lambda: read_samples(file))
        refused(f"{file}:6", lambda: read_samples(file))
    file.write_bytes(b"\n\n")
    refused(f"Expected at least one line in {file}", lambda: read_samples(file))


def check_pictures(folder: Path) -> None:
    for ending in ("png", "jpg", "webp", "gif", "tiff"):
        whole, cut = folder / f"whole.{ending}", folder / f"cut.{ending}"
        Image.effect_noise((64, 64), 50).save(whole)
        assert open_picture(whole).mode == "RGB"
        cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        refused(f"for {cut} but received", lambda cut=cut: open_picture(cut))
    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, 100
    refused(f"for {whole} but received", lambda: open_picture(whole))
    Image.MAX_IMAGE_PIXELS = most


def check_orientations(folder: Path) -> None:
    """By EXIF, whatever else it says or cannot say; never by XMP, which qavit does not read."""
    drawn, exif = Image.effect_noise((8, 4), 50), Image.Exif()
    for orientation in range(1, 9):
        exif[ExifTags.Base.Orientation] = orientation
        drawn.save(folder / "turned.png", exif=exif)
        with Image.open(folder / "turned.png") as picture:
            wanted = ImageOps.exif_transpose(picture).convert("RGB")
        assert open_picture(folder / "turned.png").tobytes() == wanted.tobytes(), orientation
    # A resolution that is a text, which Pillow reads and cannot write.
    entries = b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + b"\x1a\x01\x02\0\x04\0\0\0abc\0"
    drawn.save(folder / "odd.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\x02\0" + entries + bytes(4))
    assert open_picture(folder / "odd.jpg").size == (4, 8)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    for ending in ("jpg", "webp", "avif", "tiff", "png"):
        more = {"tiffinfo": {700: xmp}} if ending == "tiff" else {"xmp": xmp}
        file = folder / f"xmp.{ending}"
        drawn.convert("RGB").save(file, **more)
        if ending == "png":  # behind the pixels
            text = b"iTXtXML:com.adobe.xmp" + bytes(5) + xmp
            chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
            file.write_bytes(file.read_bytes()[:-12] + chunk + file.read_bytes()[-12:])
        assert open_picture(file).size == (8, 4), ending


def check_processors(folder: Path) -> None:
    """What qavit does not do to a picture is not trained on."""
    square = {"size": {"height": 16, "width": 16}, "crop_size": {"height": 16, "width": 16}}
    for kind, fields, wanted in (
        ("CLIPImageProcessor", {"do_pad": True}, "Expected pictures as a whole"),
        ("SiglipImageProcessor", {"use_square_size": True}, "Expected pictures as a whole"),
        ("ViTImageProcessor", {"crop_to_patches": True}, "Expected pictures as a whole"),
        ("GotOcr2ImageProcessor", {"crop_to_patches": True}, None),
        ("GotOcr2ImageProcessor", {"use_square_size": True}, "Expected pictures as a whole"),
        ("Idefics3ImageProcessor", {"do_pad": True, "do_image_splitting": True, "size": {"longest_edge": 32}}, None),
        ("DeiTImageProcessor", {}, None),
        ("LlavaImageProcessor", {}, None),
        ("LlavaImageProcessor", {"do_pad": True}, "Expected pictures as a whole"),
        ("LlavaNextImageProcessor", {"do_pad": True, "image_grid_pinpoints": [[16, 32]]}, None),
        ("LlavaOnevisionImageProcessor", {"do_pad": True, "image_grid_pinpoints": [[32, 16]]}, None),
        ("OtherImageProcessor", {}, "Expected one of BitImageProcessor"),
    ):
        config = {"image_processor_type": kind, "max_image_size": {"longest_edge": 16}} | square | fields
        (folder / "preprocessor_config.json").write_text(json.dumps(config))
        if wanted is not None:
            refused(wanted, lambda: load_processor(folder))
            continue
        picture = Image.new("RGB", (64, 32), "white")
        picture.paste("black", (0, 0, 32, 32))
        pixels = load_processor(folder)(picture, return_tensors="pt")["pixel_values"]
        assert pixels.shape == (1, 3, 16, 16) and pixels[0, 0, 0, 0] < 0 < pixels[0, 0, 0, -1], (kind, pixels.shape)
    # Of a file without a name the model says whose it is.
    (folder / "preprocessor_config.json").write_text("{}")
    for model_type, kind in (
        ("vit", "ViT"),
        ("siglip", "Siglip"),
        ("siglip2", "NaFlex"),
        ("internvl", "GotOcr2"),
        (None, "CLIP"),
    ):
        (folder / "config.json").write_text(json.dumps({"model_type": model_type} if model_type else {}))
        made = load_processor(folder)
        assert type(made).__name__.removeprefix("Whole") == f"{kind}ImageProcessorPil", (model_type, made)


def check_pieces() -> None:
    """Pictures of one shape together, each with what is asked about it."""
    pictures = [torch.full((3, 8, width), float(i)) for i, width in enumerate((8, 16, 8, 8))]
    numbers = torch.arange(4)[:, None]
    batch = Batch(pictures, numbers, numbers >= 0, numbers + 10, [(name,) for name in "abcd"])
    for most, wanted in ((4, [[0, 2, 3], [1]]), (2, [[0, 2], [3], [1]])):
        pieces = batch.pieces(most)
        assert [piece.question[:, 0].tolist() for piece in pieces] == wanted, pieces
        for piece, which in zip(pieces, wanted, strict=True):
            assert piece.pixels[:, 0, 0, 0].tolist() == which and piece.pixels.dim() == 4
            assert piece.labels[:, 0].tolist() == [10 + i for i in which]
            assert piece.answers == [tuple("abcd"[i]) for i in which]
    stacked = replace(batch, pixels=torch.zeros(4, 3, 8, 8))
    assert [len(piece.answers) for piece in stacked.pieces(3)] == [3, 1]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.new("RGB", (8, 8)).save(folder / "a.png")
        check_lines(folder / "samples.jsonl")
        check_pictures(folder)
        check_orientations(folder)
        check_processors(folder)
        check_pieces()
    print("data: all checks passed")


if __name__ == "__main__":
    main()
