"""One tiny config of every kind of tower, for checks."""

from transformers import (
    Blip2VisionConfig,
    CLIPVisionConfig,
    Dinov2Config,
    Dinov2WithRegistersConfig,
    DINOv3ViTConfig,
    InstructBlipVisionConfig,
    InternVLVisionConfig,
    PreTrainedConfig,
    Siglip2VisionConfig,
    SiglipVisionConfig,
    ViTConfig,
)
from transformers.models.idefics3.configuration_idefics3 import Idefics3VisionConfig
from transformers.models.qwen2_vl.configuration_qwen2_vl import Qwen2VLVisionConfig
from transformers.models.smolvlm.configuration_smolvlm import SmolVLMVisionConfig

SIZE = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "patch_size": 8, "image_size": 32}


def tiny_configs() -> dict[str, PreTrainedConfig]:
    """By model_type."""
    configs = [
        CLIPVisionConfig(intermediate_size=160, **SIZE),
        SiglipVisionConfig(intermediate_size=160, **SIZE),
        Siglip2VisionConfig(intermediate_size=160, num_patches=16, **without_image(SIZE)),
        ViTConfig(intermediate_size=160, qkv_bias=False, **SIZE),
        Dinov2Config(mlp_ratio=2, **SIZE),
        Dinov2WithRegistersConfig(mlp_ratio=2, num_register_tokens=3, **SIZE),
        DINOv3ViTConfig(intermediate_size=160, num_register_tokens=3, **SIZE),
        Blip2VisionConfig(intermediate_size=160, **SIZE),
        InstructBlipVisionConfig(intermediate_size=160, **SIZE),
        InternVLVisionConfig(intermediate_size=160, attention_bias=True, **SIZE),
        Idefics3VisionConfig(intermediate_size=160, **SIZE),
        SmolVLMVisionConfig(intermediate_size=160, **SIZE),
        Qwen2VLVisionConfig(embed_dim=64, depth=4, num_heads=4, patch_size=8, mlp_ratio=2, hidden_size=24),
    ]
    return {config.model_type: config for config in configs}


def without_image(size: dict[str, int]) -> dict[str, int]:
    """NaFlex says how many patches its table has instead."""
    return {name: value for name, value in size.items() if name != "image_size"}
