"""Adapter folders: config.json and model.safetensors with the published names."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPVisionModel

from .fusing import QuestionAwareVisionTower, build_projector


def save_adapter(
    directory: str | Path,
    model: QuestionAwareVisionTower,
    *,
    hidden_layer: int = -1,
    keep_cls: bool = True,
    question: dict | None = None,
) -> None:
    """Writes what `load_adapter` and qavit read. `question` goes into config.json as it is (how its features are made)."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    where = (
        {"integration_point": model.integration_point} if model.integration_point else {"layers": model.fused_layers}
    )
    config = {**where, "instruction_dim": model.question_width}
    tensors: dict[str, torch.Tensor] = {}
    for index, fusing in model.fusing.items():
        prefix = f"encoder.layers.{index}"
        tensors[f"{prefix}.self_attn.instruction_proj_gate"] = fusing.instruction_proj_gate
        for part in ("weight", "bias"):
            tensors[f"{prefix}.self_attn.instruction_out_proj.{part}"] = getattr(fusing.instruction_out_proj, part)
        for name, tensor in fusing.instruct_dim_reduce.state_dict().items():
            tensors[f"{prefix}.instruct_dim_reduce.{name}"] = tensor
    if model.translation_mlp is not None:
        linears = [m for m in model.translation_mlp if isinstance(m, nn.Linear)]
        activation = "gelu" if any(isinstance(m, nn.GELU) for m in model.translation_mlp) else "relu"
        config["translation_mlp"] = {"layers": len(linears), "activation": activation}
        for i, linear in enumerate(linears):
            tensors[f"translation_mlp.layers.{i}.weight"] = linear.weight
            tensors[f"translation_mlp.layers.{i}.bias"] = linear.bias
    config |= {"vision_feature_layer": hidden_layer, "keep_cls": keep_cls}
    if question is not None:
        config["question"] = question
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def load_adapter(directory: str | Path, tower: CLIPVisionModel) -> QuestionAwareVisionTower:
    """The fused tower that an adapter folder describes."""
    directory = Path(directory)
    config = json.loads((directory / "config.json").read_text())
    tensors = load_file(directory / "model.safetensors")
    projector = None
    if "translation_mlp" in config:
        first = tensors["translation_mlp.layers.0.weight"]
        mlp = config["translation_mlp"]
        projector = build_projector(first.shape[1], first.shape[0], mlp["layers"], mlp.get("activation", "relu"))
        linears = [m for m in projector if isinstance(m, nn.Linear)]
        for i, linear in enumerate(linears):
            linear.load_state_dict({p: tensors[f"translation_mlp.layers.{i}.{p}"] for p in ("weight", "bias")})
    model = QuestionAwareVisionTower(
        tower,
        config["instruction_dim"],
        integration_point=config.get("integration_point"),
        layers=config.get("layers"),
        projector=projector,
    )
    for index, fusing in model.fusing.items():
        names = {
            **{n: f"encoder.layers.{index}.{n}" for n in fusing.state_dict() if n.startswith("instruct_dim_reduce")},
            **{
                n: f"encoder.layers.{index}.self_attn.{n}"
                for n in fusing.state_dict()
                if not n.startswith("instruct_dim_reduce")
            },
        }
        fusing.load_state_dict({n: tensors[full].reshape(fusing.state_dict()[n].shape) for n, full in names.items()})
    return model
