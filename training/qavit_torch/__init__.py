"""The PyTorch reference of QA-ViT."""

from .adapter_folder import load_adapter, save_adapter
from .fusing import QuestionAwareVisionTower, build_projector
from .layers import INTEGRATION_POINTS, integration_layers

__all__ = [
    "INTEGRATION_POINTS",
    "QuestionAwareVisionTower",
    "build_projector",
    "integration_layers",
    "load_adapter",
    "save_adapter",
]
