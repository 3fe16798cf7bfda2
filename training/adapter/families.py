"""The vision-language models that adapters are trained for: where their parts are, and what goes between them."""

import math
from pathlib import Path
from typing import Protocol

import torch
from torch import nn
from transformers import (
    Idefics3ForConditionalGeneration,
    InternVLForConditionalGeneration,
    LlavaForConditionalGeneration,
    LlavaNextForConditionalGeneration,
    LlavaOnevisionForConditionalGeneration,
    PreTrainedModel,
    SmolVLMForConditionalGeneration,
)

from qavit_torch import build_projector

from .models import read_model_type


class Family(Protocol):
    kind: type[PreTrainedModel]
    without_template: str  # how a question is put then, around {image} and {question}
    around: str  # what stands around a picture, for {image}
    unselectable: str | None  # why single visual tokens cannot be selected, of a folder
    patches_alone: bool  # whether no class token may be among them

    def taken(self, config: dict, folder: Path) -> tuple[int, bool]:
        """The hidden layer that is handed over, and whether the class token is."""

    def tower(self, model: PreTrainedModel) -> PreTrainedModel: ...

    def language(self, model: PreTrainedModel) -> PreTrainedModel:
        """Without its head."""

    def project(self, model: PreTrainedModel, tokens: torch.Tensor) -> torch.Tensor:
        """[B, tokens, C] -> [B, N, E]"""

    def trainable_projector(self, model: PreTrainedModel, folder: Path) -> nn.Sequential:
        """Its own, in the form that adapters store."""


MERGES = "makes one row of several visual tokens"


def taken_by(config: dict, default: int, folder: Path, usual: str = "default") -> tuple[int, bool]:
    """vision_feature_layer, and whether vision_feature_select_strategy keeps the class token."""
    layer = config.get("vision_feature_layer", default)
    if isinstance(layer, list) and len(layer) == 1:
        layer = layer[0]
    if not isinstance(layer, int):
        raise ValueError(f"Expected one layer for vision_feature_layer of {folder} but received {layer}")
    strategy = config.get("vision_feature_select_strategy", usual)
    if strategy not in ("default", "full"):
        wanted = "'default' or 'full' for vision_feature_select_strategy"
        raise ValueError(f"Expected {wanted} of {folder} but received {strategy!r}")
    return layer, strategy == "full"


class Llava:
    """lib/models/vision-language/llava.ts"""

    kind = LlavaForConditionalGeneration
    without_template = "USER: {image}\n{question} ASSISTANT:"
    around = "{image}"
    unselectable = None
    patches_alone = False

    def taken(self, config: dict, folder: Path) -> tuple[int, bool]:
        return taken_by(config, -2, folder)

    def tower(self, model: PreTrainedModel) -> PreTrainedModel:
        return getattr(model.model.vision_tower, "vision_model", model.model.vision_tower)

    def language(self, model: PreTrainedModel) -> PreTrainedModel:
        return model.model.language_model

    def project(self, model: PreTrainedModel, tokens: torch.Tensor) -> torch.Tensor:
        return model.model.multi_modal_projector(tokens)

    def trainable_projector(self, model: PreTrainedModel, folder: Path) -> nn.Sequential:
        config, own = model.config, model.model.multi_modal_projector
        if not config.multimodal_projector_bias or config.projector_hidden_act not in ("gelu", "relu"):
            wanted = "a projector with biases and gelu or relu"
            found = f"{config.projector_hidden_act}, bias {config.multimodal_projector_bias}"
            raise ValueError(f"Expected {wanted} in {folder} for --train-projector but received {found}")
        width, language_width = own.linear_1.in_features, own.linear_1.out_features
        projector = build_projector(width, language_width, 2, config.projector_hidden_act)
        projector[0].load_state_dict(own.linear_1.state_dict())
        projector[2].load_state_dict(own.linear_2.state_dict())
        return projector


class LlavaNext(Llava):
    """lib/models/vision-language/llava-next.ts. A whole picture is one line."""

    kind = LlavaNextForConditionalGeneration
    unselectable = "has a newline behind its visual tokens"
    patches_alone = True

    def project(self, model: PreTrainedModel, tokens: torch.Tensor) -> torch.Tensor:
        rows = super().project(model, tokens)
        newline = model.model.image_newline.to(rows.dtype).expand(len(rows), 1, -1)
        return torch.cat([rows, newline], 1)

    def trainable_projector(self, model: PreTrainedModel, folder: Path) -> nn.Sequential:
        raise ValueError(f"Expected a LLaVA for --train-projector but received {folder}")


class LlavaOnevision(LlavaNext):
    """lib/models/vision-language/llava-next.ts"""

    kind = LlavaOnevisionForConditionalGeneration
    without_template = "<|im_start|>user {image}\n{question}<|im_end|><|im_start|>assistant\n"

    def taken(self, config: dict, folder: Path) -> tuple[int, bool]:
        return taken_by(config, -1, folder, "full")


class Idefics3:
    """lib/models/vision-language/idefics3.ts"""

    without_template = "<|im_start|>User:{image}{question}<end_of_utterance>\nAssistant:"
    around = "<fake_token_around_image><global-img>{image}<fake_token_around_image>"
    unselectable = MERGES
    patches_alone = False

    def __init__(self, kind: type[PreTrainedModel]):
        self.kind = kind

    def taken(self, config: dict, folder: Path) -> tuple[int, bool]:
        return -1, True

    def tower(self, model: PreTrainedModel) -> PreTrainedModel:
        return model.model.vision_model

    def language(self, model: PreTrainedModel) -> PreTrainedModel:
        return model.model.text_model

    def project(self, model: PreTrainedModel, tokens: torch.Tensor) -> torch.Tensor:
        return model.model.connector(model.model.vision_model.post_layernorm(tokens))

    def trainable_projector(self, model: PreTrainedModel, folder: Path) -> nn.Sequential:
        raise ValueError(f"Expected a LLaVA for --train-projector but received {folder}")


class Internvl:
    """lib/models/vision-language/internvl.ts"""

    kind = InternVLForConditionalGeneration
    without_template = "<|im_start|>user\n{image}\n{question}<|im_end|>\n<|im_start|>assistant\n"
    around = "<img>{image}</img>"
    unselectable = MERGES
    patches_alone = False

    def taken(self, config: dict, folder: Path) -> tuple[int, bool]:
        layer, keep_cls = taken_by(config, -1, folder)
        if keep_cls:
            raise ValueError(f"Expected 'default' for vision_feature_select_strategy of {folder} but received 'full'")
        return layer, keep_cls

    def tower(self, model: PreTrainedModel) -> PreTrainedModel:
        return model.model.vision_tower

    def language(self, model: PreTrainedModel) -> PreTrainedModel:
        return model.model.language_model

    def project(self, model: PreTrainedModel, tokens: torch.Tensor) -> torch.Tensor:
        inner, config = model.model, model.config
        # Of a tower that pools this is no norm.
        seen = inner.vision_tower.layernorm(tokens) if config.vision_feature_layer == -1 else tokens
        side = math.isqrt(tokens.shape[1])
        squares = inner.pixel_shuffle(seen.unflatten(1, (side, side)), config.downsample_ratio)
        return inner.multi_modal_projector(squares.flatten(1, 2))

    def trainable_projector(self, model: PreTrainedModel, folder: Path) -> nn.Sequential:
        raise ValueError(f"Expected a LLaVA for --train-projector but received {folder}")


FAMILIES: dict[str, Family] = {
    "llava": Llava(),
    "llava_next": LlavaNext(),
    "llava_onevision": LlavaOnevision(),
    "idefics3": Idefics3(Idefics3ForConditionalGeneration),
    "smolvlm": Idefics3(SmolVLMForConditionalGeneration),
    "internvl": Internvl(),
}


def family_of(folder: Path) -> Family:
    model_type = read_model_type(folder)
    if model_type not in FAMILIES:
        raise ValueError(f"Expected model_type {', '.join(FAMILIES)} in {folder} but received {model_type!r}")
    return FAMILIES[model_type]
