"""Towers and language models from their folders, whole or not at all."""

import json
from pathlib import Path

import torch
from transformers import (
    AutoTokenizer,
    MT5ForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5ForConditionalGeneration,
)

from qavit_torch import tower_class

# What their tensors' names begin with. transformers finds the vision half of the other whole models by itself.
VISION_HALVES = {
    "blip-2": r"^vision_model\.",
    "instructblip": r"^vision_model\.",
    "internvl": r"^(model\.)?vision_tower\.",
    "idefics3": r"^(model\.)?vision_model\.",
    "smolvlm": r"^(model\.)?vision_model\.",
    "paligemma": r"^(model\.)?vision_tower\.(vision_model\.)?",
    "gemma3": r"^(model\.)?vision_tower\.(vision_model\.)?",
    "qwen2_vl": r"^(model\.)?visual\.",
}

LANGUAGES = {"t5": T5ForConditionalGeneration, "mt5": MT5ForConditionalGeneration}


def load_tower(folder: Path) -> PreTrainedModel:
    model_type = read_model_type(folder)
    names = {"key_mapping": {VISION_HALVES[model_type]: ""}} if model_type in VISION_HALVES else {}
    return load_whole(tower_class(model_type), folder, **names)[0]


def load_language(folder: Path) -> T5ForConditionalGeneration | MT5ForConditionalGeneration:
    """A T5 of any version, or an mT5: what qavit computes, and what export_language can write."""
    model_type = read_model_type(folder)
    if model_type not in LANGUAGES:
        wanted = f"a language model with model_type {' or '.join(LANGUAGES)}"
        raise ValueError(f"Expected {wanted} in {folder} but received {model_type!r}")
    model, unexpected = load_whole(LANGUAGES[model_type], folder)
    if unexpected:
        raise ValueError(f"Expected the weights of a {model_type} in {folder} but received {unexpected[0]} too")
    return model


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """By tokenizer.json as it is, which is how qavit reads texts.

    transformers' own class of T5 would take its vocabulary, and normalise and split texts in its own way.
    """
    if not (folder / "tokenizer.json").is_file():
        return AutoTokenizer.from_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    if tokenizer.pad_token is None:
        config = json.loads((folder / "config.json").read_text())
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(config.get("pad_token_id") or 0)
    return tokenizer


def read_model_type(folder: Path) -> str | None:
    if not (folder / "config.json").is_file():
        raise ValueError(f"Expected a Hugging Face folder with a config.json but received {folder}")
    return json.loads((folder / "config.json").read_text()).get("model_type")


def load_whole(kind: type, folder: Path, **options: object) -> tuple[PreTrainedModel, list[str]]:
    """The model, and which tensors of the folder are none of its own.

    transformers would fill what a folder lacks with random numbers.
    """
    model, report = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True, **options)
    # A ViT classifier has no pooler, which comes after the hidden states.
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise ValueError(f"Expected all weights in {folder} but {missing[0]} is missing")
    return model, sorted(report["unexpected_keys"])
