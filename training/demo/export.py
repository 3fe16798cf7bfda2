"""Writes models/demo: tower, adapter and language model in the folders and formats that the package loads."""

import json
import shutil
from pathlib import Path

import torch
from transformers import CLIPVisionModel, T5ForConditionalGeneration

from .data import MEAN, STD
from .language import EOS, MAX_QUESTION_TOKENS, PAD, build_tokenizer
from .onnx_export import export_language
from .reader import MAX_ANSWER_TOKENS, Reader
from .settings import MODEL, Settings
from .visual import QuestionVisual

LIMIT = 16 * 2**20  # bytes of the whole folder


def export(settings: Settings, tower: CLIPVisionModel, reader: Reader, visual: QuestionVisual) -> None:
    for part in ("tower", "adapter", "language"):
        shutil.rmtree(MODEL / part, ignore_errors=True)
        (MODEL / part).mkdir(parents=True)
    _write(
        MODEL / "config.json", {"model_type": "qavit", "tower": "tower", "adapter": "adapter", "language": "language"}
    )
    _export_tower(tower, settings, MODEL / "tower")
    visual.save_adapter(reader.projector, MODEL / "adapter")
    _export_language(reader.language, MODEL / "language")
    for path in MODEL.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # safetensors writes files that only their owner may read


def check_size() -> int:
    size = sum(path.stat().st_size for path in MODEL.rglob("*") if path.is_file())
    if size > LIMIT:
        raise ValueError(f"Expected at most {LIMIT} bytes in {MODEL.name} but received {size}")
    return size


def _export_tower(tower: CLIPVisionModel, settings: Settings, folder: Path) -> None:
    # The values are float16 numbers already (see pretrain), so this loses nothing.
    half = CLIPVisionModel(tower.config)
    half.load_state_dict(tower.state_dict())
    half.half().save_pretrained(folder)
    side = settings.picture
    processor = {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": side},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
    }
    _write(folder / "preprocessor_config.json", processor)


def _export_language(language: T5ForConditionalGeneration, folder: Path) -> None:
    language = language.float().cpu().eval()
    config = language.config.to_dict()
    config["architectures"] = ["T5ForConditionalGeneration"]
    _write(folder / "config.json", {key: value for key, value in sorted(config.items()) if key != "_name_or_path"})
    generation = {
        "decoder_start_token_id": PAD,
        "pad_token_id": PAD,
        "eos_token_id": EOS,
        "max_new_tokens": MAX_ANSWER_TOKENS,
        "do_sample": False,
    }
    _write(folder / "generation_config.json", generation)
    build_tokenizer().save(str(folder / "tokenizer.json"))
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "model_max_length": MAX_QUESTION_TOKENS,
    }
    _write(folder / "tokenizer_config.json", tokenizer)
    with torch.no_grad():
        export_language(language, folder)


def _write(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
