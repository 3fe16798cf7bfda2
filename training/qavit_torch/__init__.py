"""The PyTorch reference of QA-ViT."""

from .adapter_folder import load_adapter, read_adapter_config, save_adapter
from .fusing import QuestionAwareVisionTower, QuestionFusing, build_projector
from .layers import INTEGRATION_POINTS, integration_layers
from .selection import build_selector, saliency, select_tokens, selection_loss
from .towers import tower_class, width_of

__all__ = [
    "INTEGRATION_POINTS",
    "QuestionAwareVisionTower",
    "QuestionFusing",
    "build_projector",
    "build_selector",
    "integration_layers",
    "load_adapter",
    "read_adapter_config",
    "saliency",
    "save_adapter",
    "select_tokens",
    "selection_loss",
    "tower_class",
    "width_of",
]
