"""Adapter folders: config.json and model.safetensors with the published names."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import nn
from transformers import PreTrainedModel

from .fusing import QuestionAwareVisionTower, build_projector
from .selection import build_selector

SELECTOR = "token_selector.weight"  # [1, C], optional; the tensor's presence says that there is a selector


def save_adapter(
    directory: str | Path,
    model: QuestionAwareVisionTower,
    *,
    hidden_layer: int = -1,
    keep_cls: bool = True,
    question: dict | None = None,
    image_size: int | dict[str, int] | None = None,
) -> None:
    """Writes what `load_adapter` and qavit read.

    `question`: how its features are made, kept in config.json as is; `image_size`: of its pictures in pixels, where the
    tower's folder does not say it, the side of squares or width and height, or `max_patches` of each in its own shape.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    where = "integration_point" if model.integration_point else "layers"
    config = {where: model.integration_point or model.fused_layers, "instruction_dim": model.question_width}
    tensors: dict[str, torch.Tensor] = {}
    for index, fusing in model.fusing.items():
        tensors |= {_published_name(index, name): tensor for name, tensor in fusing.state_dict().items()}
    if model.translation_mlp is not None:
        linears = _linears(model.translation_mlp)
        activation = "gelu" if any(isinstance(module, nn.GELU) for module in model.translation_mlp) else "relu"
        config["translation_mlp"] = {"layers": len(linears), "activation": activation}
        for i, linear in enumerate(linears):
            tensors |= {f"translation_mlp.layers.{i}.{part}": value for part, value in linear.state_dict().items()}
    if model.token_selector is not None:
        tensors[SELECTOR] = model.token_selector.weight
    config |= {"vision_feature_layer": hidden_layer, "keep_cls": keep_cls}
    if image_size is not None:
        config["image_size"] = image_size
    if question is not None:
        config["question"] = question
    _replace(
        {
            # Not by save_file, whose files only their owner may read.
            directory / "model.safetensors": save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}),
            directory / "config.json": f"{json.dumps(config, indent=2)}\n".encode(),
        }
    )


def _replace(files: dict[Path, bytes]) -> None:
    """All of them whole, or none: on a full disk what was there stays."""
    unfinished = {file: file.with_name(f"{file.name}.part") for file in files}
    try:
        for file, content in files.items():
            unfinished[file].write_bytes(content)
        for file, part in unfinished.items():
            part.replace(file)
    finally:
        for part in unfinished.values():
            part.unlink(missing_ok=True)


def read_adapter_config(directory: str | Path) -> dict:
    """config.json with its defaults filled in: which layers fuse, and what a forward pass takes from the tower."""
    config = json.loads((Path(directory) / "config.json").read_text())
    return {"vision_feature_layer": -1, "keep_cls": True} | config


def load_adapter(directory: str | Path, tower: PreTrainedModel) -> QuestionAwareVisionTower:
    """The fused tower that an adapter folder describes. `read_adapter_config` has what `forward` takes beyond it."""
    config = read_adapter_config(directory)
    tensors = load_file(Path(directory) / "model.safetensors")
    model = QuestionAwareVisionTower(
        tower,
        config["instruction_dim"],
        integration_point=config.get("integration_point"),
        layers=config.get("layers"),
        projector=_read_projector(config, tensors),
        token_selector=_read_selector(tensors),
    )
    for index, fusing in model.fusing.items():
        state = fusing.state_dict()
        stored = {name: tensors[_published_name(index, name)] for name in state}
        fusing.load_state_dict({name: stored[name].reshape(state[name].shape) for name in state})
    return model


def _published_name(index: str, name: str) -> str:
    owner = "" if name.startswith("instruct_dim_reduce") else "self_attn."
    return f"encoder.layers.{index}.{owner}{name}"


def _linears(projector: nn.Sequential) -> list[nn.Linear]:
    return [module for module in projector if isinstance(module, nn.Linear)]


def _read_projector(config: dict, tensors: dict[str, torch.Tensor]) -> nn.Sequential | None:
    if "translation_mlp" not in config:
        return None
    language_width, width = tensors["translation_mlp.layers.0.weight"].shape
    shape = config["translation_mlp"]
    projector = build_projector(width, language_width, shape["layers"], shape.get("activation", "relu"))
    for i, linear in enumerate(_linears(projector)):
        linear.load_state_dict({part: tensors[f"translation_mlp.layers.{i}.{part}"] for part in ("weight", "bias")})
    return projector


def _read_selector(tensors: dict[str, torch.Tensor]) -> nn.Linear | None:
    if SELECTOR not in tensors:
        return None
    selector = build_selector(tensors[SELECTOR].shape[1])
    selector.load_state_dict({"weight": tensors[SELECTOR]})
    return selector
