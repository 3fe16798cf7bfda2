"""The whole question-aware tower by PyTorch: eager with SDPA, torch.compile, and float64 as the measure of errors."""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
import torch._dynamo
from transformers import CLIPVisionModel

from fixtures.tensors import CLIP_MEAN, CLIP_STD
from fixtures.tower_folders import save_tower
from fixtures.towers import AdapterSpec, build_fused, build_tower, save_fused
from qavit_torch import QuestionAwareVisionTower, load_adapter

from .inputs import PIXELS, QUESTIONS
from .sizes import QUESTION_WIDTHS, SIZES

# Cases that one function is compiled for; beyond, dynamo would quietly go on in eager mode.
torch._dynamo.config.recompile_limit = 64


def make(directory: Path, config: str, pairs: int, tokens: int) -> None:
    """Random weights with the statistics of trained ones in `tower` and `adapter`, pictures and questions of noise."""
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    spec, width = SIZES[config], QUESTION_WIDTHS.get(config, 768)
    tower = build_tower(spec)
    save_tower(spec, tower, directory / "tower")
    adapter = AdapterSpec("late", width)
    save_fused(adapter, build_fused(adapter, tower), directory / "adapter")
    pixels = torch.randint(256, (pairs, spec.image, spec.image, 3), dtype=torch.uint8)
    pixels.numpy().tofile(directory / PIXELS)
    torch.randn(pairs, tokens, width).numpy().tofile(directory / QUESTIONS)


@dataclass(frozen=True)
class Case:
    pairs: int
    perImage: int  # questions an image; 0: no questions, the plain tower


class Inputs:
    """What `make` wrote, on the host in pinned memory and on the device."""

    def __init__(self, directory: Path, image: int, tokens: int, width: int, device: str):
        pixels = torch.from_numpy(numpy.fromfile(directory / PIXELS, numpy.uint8)).view(-1, image, image, 3)
        questions = torch.from_numpy(numpy.fromfile(directory / QUESTIONS, numpy.float32)).view(-1, tokens, width)
        pinned = device == "cuda"
        self.host = (pixels.pin_memory(), questions.pin_memory()) if pinned else (pixels, questions)
        self.device = tuple(tensor.to(device) for tensor in self.host)

    @staticmethod
    def of(case: Case, all_of: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor | None]:
        pixels, questions = all_of
        if case.perImage == 0:
            return pixels[: case.pairs], None
        return pixels[: case.pairs // case.perImage], questions[: case.pairs]


class Contestant:
    """One way to run the tower. Calls take u8 pictures and f32 questions, and give f32 tokens, as qavit does."""

    def __init__(self, model: QuestionAwareVisionTower, dtype: torch.dtype, device: str, mode: str | None):
        self.model, self.dtype, self.device, self.mode = deepcopy(model).to(device, dtype), dtype, device, mode
        # Normalised in f32 even where the tower is bf16: as preprocessors do.
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        self.mean, self.std = (torch.tensor(x, dtype=wide, device=device) * 255 for x in (CLIP_MEAN, CLIP_STD))
        self._calls: dict[Case, object] = {}

    def call(self, case: Case):
        if case not in self._calls:

            def forward(pixels: torch.Tensor, questions: torch.Tensor | None) -> torch.Tensor:
                return self._forward(pixels, questions, case.perImage)

            # One graph or an error: what falls back to eager half-way would be measured as compiled.
            compiled = self.mode and torch.compile(forward, mode=self.mode, dynamic=False, fullgraph=True)
            self._calls[case] = compiled or forward
        return self._calls[case]

    def _forward(self, pixels: torch.Tensor, questions: torch.Tensor | None, per_image: int) -> torch.Tensor:
        """Every picture once through the layers below the first fused one, however many questions it gets."""
        model, layers = self.model, self.model.config.num_hidden_layers
        normalized = ((pixels.to(self.mean.dtype) - self.mean) / self.std).to(self.dtype)
        hidden = model.embed(normalized.permute(0, 3, 1, 2))
        first = model.fused_layers[0]
        hidden = model.run_layers(hidden, 0, first)
        if questions is not None:
            hidden = hidden.repeat_interleave(per_image, 0) if per_image > 1 else hidden
            questions = questions.to(self.dtype)
        hidden = model.run_layers(hidden, first, layers, questions)
        return hidden if self.dtype == torch.float64 else hidden.float()

    def with_copies(self, case: Case, host: tuple[torch.Tensor, ...]):
        """A call from pinned host memory to pinned host memory."""
        call, results = self.call(case), []

        def work() -> None:
            pixels, questions = Inputs.of(case, host)
            pixels = pixels.to(self.device, non_blocking=True)
            tokens = call(pixels, None if questions is None else questions.to(self.device, non_blocking=True))
            if not results:
                results.append(torch.empty(tokens.shape, dtype=tokens.dtype, pin_memory=self.device == "cuda"))
            results[0].copy_(tokens, non_blocking=True)

        return work


def load(directory: Path) -> QuestionAwareVisionTower:
    tower = CLIPVisionModel.from_pretrained(directory / "tower", dtype=torch.float32, attn_implementation="sdpa")
    return load_adapter(directory / "adapter", tower).eval()


def errors(tokens: torch.Tensor, exact: torch.Tensor) -> dict[str, float]:
    """Against float64: relative Frobenius error, and the cosine of the token that points away most."""
    difference = tokens.double() - exact
    cosine = torch.nn.functional.cosine_similarity(tokens.double(), exact, dim=-1)
    return {"relative": (difference.norm() / exact.norm()).item(), "lowestCosine": cosine.min().item()}
