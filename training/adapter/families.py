"""The vision-language models that adapters are trained for: where their parts are, and what goes between them."""

import math
from pathlib import Path

import torch
from torch import nn
from transformers import (
    Gemma3ForConditionalGeneration,
    Idefics3ForConditionalGeneration,
    InternVLForConditionalGeneration,
    LlavaForConditionalGeneration,
    LlavaNextForConditionalGeneration,
    LlavaOnevisionForConditionalGeneration,
    PaliGemmaForConditionalGeneration,
    PreTrainedModel,
    Qwen2VLForConditionalGeneration,
    SmolVLMForConditionalGeneration,
)

from qavit_torch import build_projector
from qavit_torch.towers import Grid

from .models import load_whole, read_model_type


class Family:
    """With what holds for most of them."""

    kind: type[PreTrainedModel]
    without_template: str  # how a question is put then, around {image} and {question}
    begun = False  # whether that, or a prompt_template, has the beginning of the text in it
    around = "{image}"  # what stands around a picture
    in_templates: str | None = None  # what chat templates write for a picture, where it is not the picture's token
    unselectable: str | None = None  # why single visual tokens cannot be selected, of a folder
    patches_alone = False  # whether no class token may be among them

    def load(self, folder: Path) -> PreTrainedModel:
        return load_whole(self.kind, folder)[0]

    def taken(self, config: dict, folder: Path) -> tuple[int, bool]:
        """The hidden layer that is handed over, and whether the class token is."""
        return -1, True

    def tower(self, model: PreTrainedModel) -> PreTrainedModel:
        return model.model.vision_tower

    def language(self, model: PreTrainedModel) -> PreTrainedModel:
        """Without its head."""
        return model.model.language_model

    def project(self, model: PreTrainedModel, tokens: torch.Tensor, grid: Grid) -> torch.Tensor:
        """[B, tokens, C], of patches in this grid -> [B, N, E]"""
        raise NotImplementedError

    def trainable_projector(self, model: PreTrainedModel, folder: Path) -> nn.Sequential:
        """Its own, in the form that adapters store."""
        raise ValueError(f"Expected a LLaVA for --train-projector but received {folder}")

    def row_types(self, place: int, count: int, prompt: int, said: int) -> list[int] | None:
        """token_type_ids, where the language model wants some.

        Of a prompt of so many rows, `count` of which from `place` on are the picture's, and so many behind it.
        """
        return None

    def row_places(self, place: int, prompt: int, said: int, grid: Grid) -> torch.Tensor | None:
        """position_ids [3, T] of the same rows, where the language model has to be told; `grid` of the patches."""
        return None


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


class Llava(Family):
    """lib/models/vision-language/llava.ts"""

    kind = LlavaForConditionalGeneration
    without_template = "USER: {image}\n{question} ASSISTANT:"

    def taken(self, config: dict, folder: Path) -> tuple[int, bool]:
        return taken_by(config, -2, folder)

    def tower(self, model: PreTrainedModel) -> PreTrainedModel:
        return getattr(model.model.vision_tower, "vision_model", model.model.vision_tower)

    def project(self, model: PreTrainedModel, tokens: torch.Tensor, grid: Grid) -> torch.Tensor:
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

    def project(self, model: PreTrainedModel, tokens: torch.Tensor, grid: Grid) -> torch.Tensor:
        rows = super().project(model, tokens, grid)
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


class Idefics3(Family):
    """lib/models/vision-language/idefics3.ts"""

    without_template = "<|im_start|>User:{image}{question}<end_of_utterance>\nAssistant:"
    around = "<fake_token_around_image><global-img>{image}<fake_token_around_image>"
    unselectable = MERGES

    def __init__(self, kind: type[PreTrainedModel]):
        self.kind = kind

    def tower(self, model: PreTrainedModel) -> PreTrainedModel:
        return model.model.vision_model

    def language(self, model: PreTrainedModel) -> PreTrainedModel:
        return model.model.text_model

    def project(self, model: PreTrainedModel, tokens: torch.Tensor, grid: Grid) -> torch.Tensor:
        return model.model.connector(model.model.vision_model.post_layernorm(tokens))


class Internvl(Family):
    """lib/models/vision-language/internvl.ts"""

    kind = InternVLForConditionalGeneration
    without_template = "<|im_start|>user\n{image}\n{question}<|im_end|>\n<|im_start|>assistant\n"
    around = "<img>{image}</img>"
    unselectable = MERGES

    def taken(self, config: dict, folder: Path) -> tuple[int, bool]:
        layer, keep_cls = taken_by(config, -1, folder)
        if keep_cls:
            raise ValueError(f"Expected 'default' for vision_feature_select_strategy of {folder} but received 'full'")
        return layer, keep_cls

    def project(self, model: PreTrainedModel, tokens: torch.Tensor, grid: Grid) -> torch.Tensor:
        inner, config = model.model, model.config
        # Of a tower that pools this is no norm.
        seen = inner.vision_tower.layernorm(tokens) if config.vision_feature_layer == -1 else tokens
        side = math.isqrt(tokens.shape[1])
        squares = inner.pixel_shuffle(seen.unflatten(1, (side, side)), config.downsample_ratio)
        return inner.multi_modal_projector(squares.flatten(1, 2))


class Paligemma(Family):
    """lib/models/vision-language/paligemma.ts"""

    kind = PaliGemmaForConditionalGeneration
    without_template = "{image}<bos>{question}\n"
    begun = True

    def load(self, folder: Path) -> PreTrainedModel:
        """Ready to answer rows: generate() looks for these names in the method that it calls."""
        model = super().load(folder)
        kind = model.config.vision_config.model_type
        if kind != "siglip_vision_model":  # of others the last state is taken as it is, without the last norm
            raise ValueError(
                f"Expected siglip_vision_model for model_type in vision_config of {folder} but received {kind}"
            )
        prepare = model.prepare_inputs_for_generation
        model.prepare_inputs_for_generation = lambda input_ids, inputs_embeds=None, **kwargs: prepare(
            input_ids, inputs_embeds=inputs_embeds, **kwargs
        )
        return model

    def tower(self, model: PreTrainedModel) -> PreTrainedModel:
        return getattr(model.model.vision_tower, "vision_model", model.model.vision_tower)

    def project(self, model: PreTrainedModel, tokens: torch.Tensor, grid: Grid) -> torch.Tensor:
        return model.model.multi_modal_projector(self.tower(model).post_layernorm(tokens))

    def row_types(self, place: int, count: int, prompt: int, said: int) -> list[int]:
        """The rows of a prompt see each other."""
        return [0] * prompt + [1] * said


class Gemma3(Paligemma):
    """lib/models/vision-language/gemma3.ts"""

    kind = Gemma3ForConditionalGeneration
    without_template = "{image}{question}"
    begun = False
    around = "\n\n<start_of_image>{image}<end_of_image>\n\n"
    in_templates = "<start_of_image>"
    unselectable = MERGES

    def row_types(self, place: int, count: int, prompt: int, said: int) -> list[int]:
        """The rows of a picture see each other."""
        return [0] * place + [1] * count + [0] * (prompt - place - count + said)


class Qwen2Vl(Family):
    """lib/models/vision-language/qwen2-vl.ts"""

    kind = Qwen2VLForConditionalGeneration
    without_template = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n<|vision_start|>{image}<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
    )
    unselectable = MERGES

    side = 2  # of the squares of patches that are projected as one row, which is all there is published

    def taken(self, config: dict, folder: Path) -> tuple[int, bool]:
        side = (config.get("vision_config") or {}).get("spatial_merge_size", self.side)
        if side != self.side:
            raise ValueError(
                f"Expected {self.side} for spatial_merge_size of vision_config in {folder} but received {side}"
            )
        return super().taken(config, folder)

    def tower(self, model: PreTrainedModel) -> PreTrainedModel:
        return model.model.visual

    def project(self, model: PreTrainedModel, tokens: torch.Tensor, grid: Grid) -> torch.Tensor:
        """Row by row -> the patches of each square beside each other, as its merger wants them."""
        rows, columns = (count // self.side for count in grid)
        squares = tokens.unflatten(1, (rows, self.side, columns, self.side)).transpose(2, 3)
        return model.model.visual.merger(squares.flatten(1, 4)).unflatten(0, (len(tokens), -1))

    def row_places(self, place: int, prompt: int, said: int, grid: Grid) -> torch.Tensor:
        """Three of each row, in time, down and across; words behind a picture begin behind the farthest of its rows."""
        rows, columns = (count // self.side for count in grid)
        down, across = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).T
        picture = place + torch.stack([torch.zeros_like(down), down, across])
        behind = place + max(rows, columns) + torch.arange(prompt - place - rows * columns + said)
        return torch.cat([torch.arange(place).expand(3, -1), picture, behind.expand(3, -1)], 1)


FAMILIES: dict[str, Family] = {
    "llava": Llava(),
    "llava_next": LlavaNext(),
    "llava_onevision": LlavaOnevision(),
    "idefics3": Idefics3(Idefics3ForConditionalGeneration),
    "smolvlm": Idefics3(SmolVLMForConditionalGeneration),
    "internvl": Internvl(),
    "paligemma": Paligemma(),
    "gemma3": Gemma3(),
    "qwen2_vl": Qwen2Vl(),
}


def family_of(folder: Path) -> Family:
    model_type = read_model_type(folder)
    if model_type not in FAMILIES:
        raise ValueError(f"Expected model_type {', '.join(FAMILIES)} in {folder} but received {model_type!r}")
    return FAMILIES[model_type]
