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
from transformers.models.qwen3_5.configuration_qwen3_5 import Qwen3_5VisionConfig
from transformers.models.qwen3_5_moe.configuration_qwen3_5_moe import Qwen3_5MoeVisionConfig
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig
from transformers.models.qwen3_vl_moe.configuration_qwen3_vl_moe import Qwen3VLMoeVisionConfig
from transformers.models.smolvlm.configuration_smolvlm import SmolVLMVisionConfig

SIZE = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "patch_size": 8, "image_size": 32}

# Another square than the pictures of 4 x 4 patches: its position table is interpolated for all.
QWEN3 = {"hidden_size": 64, "depth": 4, "num_heads": 4, "patch_size": 8, "intermediate_size": 160}
QWEN3 |= {"num_position_embeddings": 25, "out_hidden_size": 24}


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
        Qwen3VLVisionConfig(**QWEN3, deepstack_visual_indexes=[0, 2]),
        Qwen3VLMoeVisionConfig(**QWEN3, deepstack_visual_indexes=[1]),
        Qwen3_5VisionConfig(**QWEN3),
        Qwen3_5MoeVisionConfig(**QWEN3),
    ]
    return {config.model_type: config for config in configs}


def without_image(size: dict[str, int]) -> dict[str, int]:
    """NaFlex says how many patches its table has instead."""
    return {name: value for name, value in size.items() if name != "image_size"}
