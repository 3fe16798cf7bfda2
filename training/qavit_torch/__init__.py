"""The PyTorch reference of QA-ViT."""

from .adapter_folder import load_adapter, read_adapter_config, save_adapter
from .fusing import QuestionAwareVisionTower, QuestionFusing, build_projector
from .layers import INTEGRATION_POINTS, integration_layers
from .towers import tower_class

__all__ = [
    "INTEGRATION_POINTS",
    "QuestionAwareVisionTower",
    "QuestionFusing",
    "build_projector",
    "integration_layers",
    "load_adapter",
    "read_adapter_config",
    "save_adapter",
    "tower_class",
]
