"""The towers of transformers, seen alike: a residual stream, and layers with norms, projections and an MLP.

Shapes: B batch, M visual tokens, C tower width.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn
from transformers import (
    Blip2VisionModel,
    CLIPVisionModel,
    Dinov2Model,
    Dinov2WithRegistersModel,
    DINOv3ViTModel,
    Idefics3VisionTransformer,
    InstructBlipVisionModel,
    InternVLVisionModel,
    PreTrainedConfig,
    PreTrainedModel,
    Siglip2VisionModel,
    SiglipVisionModel,
    SmolVLMVisionTransformer,
    ViTModel,
)
from transformers.models.dinov3_vit.modeling_dinov3_vit import rotate_half
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VisionTransformerPretrainedModel
from transformers.models.qwen3_5.modeling_qwen3_5 import Qwen3_5VisionModel
from transformers.models.qwen3_5_moe.modeling_qwen3_5_moe import Qwen3_5MoeVisionModel
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel
from transformers.models.qwen3_vl_moe.modeling_qwen3_vl_moe import Qwen3VLMoeVisionModel
from transformers.vision_utils import get_vision_interpolation_indices_and_weights

Map = Callable[[torch.Tensor], torch.Tensor]
Grid = tuple[int, int]  # rows and columns of patches


@dataclass(frozen=True)
class Layer:
    """x + scale1(out(attention(norm1(x)))), then x + scale2(mlp(norm2(x)))."""

    norm1: nn.Module
    q: Map
    k: Map
    v: Map
    out: nn.Linear
    scale1: nn.Module  # LayerScale, or identity
    norm2: nn.Module
    mlp: nn.Module
    scale2: nn.Module


@dataclass(frozen=True)
class Tower:
    embed: Map  # [B, 3, height, width] normalised pixels -> the residual stream before layer 0, [B, M, C]
    layers: list[Layer]
    before_patches: int  # class token and registers
    # Queries or keys [B, H, rows, D] -> the same with the last rows, the patches of a grid, turned by where they are.
    rotate: Callable[[torch.Tensor, Grid], torch.Tensor] | None = None


def third(linear: nn.Linear, which: int) -> Map:
    """Queries (0), keys (1) or values (2) of a joint projection."""

    def project(x: torch.Tensor) -> torch.Tensor:
        bias = None if linear.bias is None else linear.bias.chunk(3)[which]
        return nn.functional.linear(x, linear.weight.chunk(3)[which], bias)

    return project


def clip_layer(layer: nn.Module) -> Layer:
    attention, same = layer.self_attn, nn.Identity()
    qkv = attention.q_proj, attention.k_proj, attention.v_proj
    return Layer(layer.layer_norm1, *qkv, attention.out_proj, same, layer.layer_norm2, layer.mlp, same)


def clip(tower: CLIPVisionModel) -> Tower:
    def embed(pixels: torch.Tensor) -> torch.Tensor:
        return tower.pre_layrnorm(tower.embeddings(pixels, interpolate_pos_encoding=True))

    return Tower(embed, [clip_layer(layer) for layer in tower.encoder.layers], 1)


def siglip(tower: SiglipVisionModel) -> Tower:
    return Tower(any_size(tower), [clip_layer(layer) for layer in tower.encoder.layers], 0)


def siglip2(tower: Siglip2VisionModel) -> Tower:
    def embed(pixels: torch.Tensor) -> torch.Tensor:
        # Patches as its processor makes them; all pictures of a batch have the same shape, so that none is padded.
        grid = grid_of(tower.config, pixels)
        flat = patches_of(pixels, grid, patch_side(tower.config)).flatten(3).flatten(1, 2)
        return tower.embeddings(flat, torch.tensor([grid] * len(pixels)))

    return Tower(embed, [clip_layer(layer) for layer in tower.encoder.layers], 0)


def idefics3(tower: Idefics3VisionTransformer | SmolVLMVisionTransformer) -> Tower:
    def embed(pixels: torch.Tensor) -> torch.Tensor:
        # Every patch is part of the picture. Positions are looked up by places in f32.
        batch, _, height, width = pixels.shape
        patch = tower.config.patch_size
        mask = torch.ones(batch, height // patch, width // patch, dtype=torch.bool, device=pixels.device)
        return tower.embeddings(pixels, mask)

    return Tower(embed, [clip_layer(layer) for layer in tower.encoder.layers], 0)


def vit(tower: ViTModel) -> Tower:
    def describe(layer: nn.Module) -> Layer:
        attention, same = layer.attention, nn.Identity()
        qkv = attention.q_proj, attention.k_proj, attention.v_proj
        return Layer(layer.layernorm_before, *qkv, attention.o_proj, same, layer.layernorm_after, layer.mlp, same)

    return Tower(any_size(tower), [describe(layer) for layer in tower.layers], 1)


def dinov2(tower: Dinov2Model | Dinov2WithRegistersModel) -> Tower:
    def describe(layer: nn.Module) -> Layer:
        attention, scales = layer.attention, (layer.layer_scale1, layer.layer_scale2)
        if hasattr(attention, "q_proj"):  # transformers 5.18 renamed the modules, not what it saves
            qkv, out = (attention.q_proj, attention.k_proj, attention.v_proj), attention.o_proj
        else:
            inner = attention.attention
            qkv, out = (inner.query, inner.key, inner.value), attention.output.dense
        return Layer(layer.norm1, *qkv, out, scales[0], layer.norm2, layer.mlp, scales[1])

    before = 1 + getattr(tower.config, "num_register_tokens", 0)
    return Tower(tower.embeddings, [describe(layer) for layer in tower.encoder.layer], before)


def dinov3(tower: DINOv3ViTModel) -> Tower:
    def describe(layer: nn.Module) -> Layer:
        attention, scales = layer.attention, (layer.layer_scale1, layer.layer_scale2)
        qkv = attention.q_proj, attention.k_proj, attention.v_proj
        return Layer(layer.norm1, *qkv, attention.o_proj, scales[0], layer.norm2, layer.mlp, scales[1])

    def rotate(heads: torch.Tensor, grid: Grid) -> torch.Tensor:
        # Of the pixels it looks at their size alone. Positions are not augmented: the tower is frozen.
        cosines, sines = tower.rope_embeddings(
            heads.new_empty(1, 3, *(side * tower.config.patch_size for side in grid))
        )
        return turned(heads, cosines, sines)

    layers = [describe(layer) for layer in tower.model.layer]
    return Tower(tower.embeddings, layers, 1 + tower.config.num_register_tokens, rotate)


def blip2(tower: Blip2VisionModel | InstructBlipVisionModel) -> Tower:
    def describe(layer: nn.Module) -> Layer:
        attention, same = layer.self_attn, nn.Identity()
        qkv = (third(attention.qkv, i) for i in range(3))
        return Layer(layer.layer_norm1, *qkv, attention.projection, same, layer.layer_norm2, layer.mlp, same)

    return Tower(any_size(tower), [describe(layer) for layer in tower.encoder.layers], 1)


class Scale(nn.Module):
    """A LayerScale that its layer keeps as a bare parameter."""

    def __init__(self, factors: nn.Parameter) -> None:
        super().__init__()
        self.factors = factors

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factors * x


def internvit(tower: InternVLVisionModel) -> Tower:
    def describe(layer: nn.Module) -> Layer:
        attention, scales = layer.attention, (Scale(layer.lambda_1), Scale(layer.lambda_2))
        qkv = attention.q_proj, attention.k_proj, attention.v_proj
        norms = layer.layernorm_before, layer.layernorm_after
        return Layer(norms[0], *qkv, attention.projection_layer, scales[0], norms[1], layer.mlp, scales[1])

    return Tower(tower.embeddings, [describe(layer) for layer in tower.encoder.layer], 1)


def qwen2_vl(tower: Qwen2VisionTransformerPretrainedModel) -> Tower:
    def describe(layer: nn.Module) -> Layer:
        attention, same = layer.attn, nn.Identity()
        qkv = (third(attention.qkv, i) for i in range(3))
        return Layer(layer.norm1, *qkv, attention.proj, same, layer.norm2, layer.mlp, same)

    def embed(pixels: torch.Tensor) -> torch.Tensor:
        # Row by row, where its processor has the patches of a square beside each other; every frame is the picture.
        patches = patches_of(pixels, grid_of(tower.config, pixels), tower.config.patch_size)
        film = patches.movedim(5, 3)[:, :, :, :, None].expand(-1, -1, -1, -1, tower.config.temporal_patch_size, -1, -1)
        return tower.patch_embed(film.flatten(3)).unflatten(0, (len(pixels), -1))

    def rotate(heads: torch.Tensor, grid: Grid) -> torch.Tensor:
        cosines, sines = tower.rotary_pos_emb(heads, torch.cartesian_prod(*(torch.arange(count) for count in grid)))
        return turned(heads, cosines, sines)

    return Tower(embed, [describe(layer) for layer in tower.blocks], 0, rotate)


def qwen3_vl(tower: Qwen3VLVisionModel | Qwen3VLMoeVisionModel | Qwen3_5VisionModel | Qwen3_5MoeVisionModel) -> Tower:
    seen = qwen2_vl(tower)

    def embed(pixels: torch.Tensor) -> torch.Tensor:
        rows, columns = grid_of(tower.config, pixels)
        places, weights = get_vision_interpolation_indices_and_weights(
            torch.tensor([[1, rows, columns]], device=pixels.device), tower.num_grid_per_side, align_corners=True
        )
        positions = (tower.pos_embed(places) * weights[:, :, None]).sum(1)
        return seen.embed(pixels) + positions.to(pixels.dtype)

    return replace(seen, embed=embed)


def turned(heads: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """The last rows of [B, H, rows, D], the patches, by angles [patches, D]."""
    patches = len(cosines)
    before, x = heads.split((heads.shape[2] - patches, patches), 2)
    # Some are angles in f32 for rows in bf16.
    return torch.cat([before, (x * cosines + rotate_half(x) * sines).to(x.dtype)], 2)


def patches_of(pixels: torch.Tensor, grid: Grid, patch: int) -> torch.Tensor:
    """[B, 3, height, width] -> [B, rows, columns, P, P, 3]"""
    rows, columns = grid
    whole = pixels[:, :, : rows * patch, : columns * patch]
    return whole.unflatten(3, (columns, patch)).unflatten(2, (rows, patch)).permute(0, 2, 4, 3, 5, 1)


def width_of(tower: PreTrainedModel) -> int:
    """C, which not all configurations call hidden_size."""
    return see(tower).layers[0].out.in_features


def grid_of(config: PreTrainedConfig, pixels: torch.Tensor) -> Grid:
    """The patches of pictures [B, 3, height, width]; what is left over at the right and below belongs to none."""
    height, width = (side // patch_side(config) for side in pixels.shape[2:])
    return height, width


def patch_side(config: PreTrainedConfig) -> int:
    return config.patch_size if isinstance(config.patch_size, int) else config.patch_size[0]  # InternViT has two


def any_size(tower: PreTrainedModel) -> Map:
    """Pictures of another size than the tower's own get an interpolated position table."""
    return lambda pixels: tower.embeddings(pixels, interpolate_pos_encoding=True)


# model_type of a vision model's config.json -> its class, and how it is seen.
TOWERS: dict[str, tuple[type[PreTrainedModel], Callable[[PreTrainedModel], Tower]]] = {
    "clip_vision_model": (CLIPVisionModel, clip),
    "siglip_vision_model": (SiglipVisionModel, siglip),
    "siglip2_vision_model": (Siglip2VisionModel, siglip2),
    "vit": (ViTModel, vit),
    "dinov2": (Dinov2Model, dinov2),
    "dinov2_with_registers": (Dinov2WithRegistersModel, dinov2),
    "dinov3_vit": (DINOv3ViTModel, dinov3),
    "blip_2_vision_model": (Blip2VisionModel, blip2),
    "instructblip_vision_model": (InstructBlipVisionModel, blip2),
    "internvl_vision": (InternVLVisionModel, internvit),
    "idefics3_vision": (Idefics3VisionTransformer, idefics3),
    "smolvlm_vision": (SmolVLMVisionTransformer, idefics3),
    "qwen2_vl_vision": (Qwen2VisionTransformerPretrainedModel, qwen2_vl),
    "qwen3_vl_vision": (Qwen3VLVisionModel, qwen3_vl),
    "qwen3_vl_moe_vision": (Qwen3VLMoeVisionModel, qwen3_vl),
    "qwen3_5_vision": (Qwen3_5VisionModel, qwen3_vl),
    "qwen3_5_moe_vision": (Qwen3_5MoeVisionModel, qwen3_vl),
}

# Models with such a tower -> its model_type.
WHOLES = {
    "clip": "clip_vision_model",
    "siglip": "siglip_vision_model",
    "siglip2": "siglip2_vision_model",
    "paligemma": "siglip_vision_model",
    "gemma3": "siglip_vision_model",
    "blip-2": "blip_2_vision_model",
    "instructblip": "blip_2_vision_model",
    "internvl": "internvl_vision",
    "idefics3": "idefics3_vision",
    "smolvlm": "smolvlm_vision",
    "qwen2_vl": "qwen2_vl_vision",
}


def tower_class(model_type: str) -> type[PreTrainedModel]:
    """What loads the tower of a folder whose config.json says `model_type`."""
    own = WHOLES.get(model_type, model_type)
    if own not in TOWERS:
        raise ValueError(f"Expected a model_type of {', '.join([*TOWERS, *WHOLES])} but received {model_type!r}")
    return TOWERS[own][0]


def see(tower: PreTrainedModel) -> Tower:
    """The parts of a vision model of transformers."""
    kind = tower.config.model_type
    if kind not in TOWERS:
        raise ValueError(f"Expected a tower of {', '.join(TOWERS)} but received {kind!r}")
    return TOWERS[kind][1](tower)
