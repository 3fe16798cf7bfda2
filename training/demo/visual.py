"""Visual tokens [B, M, C] of the three arms: the plain tower, the question's, and the control's."""

from pathlib import Path

import torch
from torch import nn
from transformers import CLIPVisionModel

from qavit_torch import QuestionAwareVisionTower, build_projector, save_adapter

from .features import TowerFeatures
from .language import MAX_QUESTION_TOKENS
from .reader import Reader
from .settings import Settings, device
from .stream import Batch

CONSTANTS = 10  # learned tokens of the control; questions have 5 to 14


def make_projector(settings: Settings) -> nn.Sequential:
    return build_projector(settings.width, settings.language_width, layers=2, activation="relu")


class Visual:
    """One arm's way from pixels to visual tokens. `from_features` is the same from the cached frozen layers."""

    def __init__(self, tower: CLIPVisionModel, settings: Settings):
        fused = QuestionAwareVisionTower(tower, settings.language_width, integration_point="late")
        self.fused = fused.to(device())
        self.lower, self.layers = min(self.fused.fused_layers), settings.layers

    def from_features(self, features: TowerFeatures, batch: Batch, reader: Reader) -> torch.Tensor:
        return self._upper(features.middle(batch.pictures), batch.question, batch.mask, reader)

    def from_pixels(self, pixels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, reader: Reader) -> torch.Tensor:
        return self._upper(self.fused.run_layers(self.fused.embed(pixels), 0, self.lower), ids, mask, reader)

    def trained(self) -> list[nn.Parameter]:
        """What this arm trains besides projector and language model, without its gates."""
        gates = {id(gate) for gate in self.gates()}
        return [p for p in self.fused.fusing.parameters() if id(p) not in gates]

    def gates(self) -> list[nn.Parameter]:
        return [fusing.instruction_proj_gate for fusing in self.fused.fusing.values()]

    def state(self) -> dict:
        return {"fusing": self.fused.fusing.state_dict()}

    def load(self, state: dict) -> None:
        self.fused.fusing.load_state_dict(state["fusing"])

    def _upper(self, middle: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, reader: Reader) -> torch.Tensor:
        raise NotImplementedError


class PlainVisual(Visual):
    def from_features(self, features: TowerFeatures, batch: Batch, reader: Reader) -> torch.Tensor:
        return features.last(batch.pictures)

    def trained(self) -> list[nn.Parameter]:
        return []

    def gates(self) -> list[nn.Parameter]:
        return []

    def _upper(self, middle: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, reader: Reader) -> torch.Tensor:
        return self.fused.run_layers(middle, self.lower, self.layers)


class QuestionVisual(Visual):
    def _upper(self, middle: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, reader: Reader) -> torch.Tensor:
        question = reader.question_features(ids, mask)
        return self.fused.run_layers(middle, self.lower, self.layers, question, mask)

    def save_adapter(self, projector: nn.Sequential, folder: Path) -> None:
        """The adapter folder: fusing, and the projector that belongs to it."""
        self.fused.translation_mlp = projector
        question = {"features": "encoder", "normalization": "qa-vit", "max_tokens": MAX_QUESTION_TOKENS}
        save_adapter(folder, self.fused, hidden_layer=-1, keep_cls=True, question=question)


class ConstantVisual(Visual):
    def __init__(self, tower: CLIPVisionModel, settings: Settings):
        super().__init__(tower, settings)
        self.tokens = nn.Parameter(torch.randn(1, CONSTANTS, settings.language_width, device=device()))

    def trained(self) -> list[nn.Parameter]:
        return [*super().trained(), self.tokens]

    def state(self) -> dict:
        return {**super().state(), "tokens": self.tokens.detach()}

    def load(self, state: dict) -> None:
        super().load(state)
        self.tokens.data.copy_(state["tokens"])

    def _upper(self, middle: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, reader: Reader) -> torch.Tensor:
        constants = self.tokens.expand(len(middle), -1, -1)
        return self.fused.run_layers(middle, self.lower, self.layers, constants)
