"""What PyTorch runs on the CPU for bench/: from u8 pictures to f32 tokens, as qavit does."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from transformers import CLIPVisionModel

from fixtures.tensors import CLIP_MEAN, CLIP_STD

from .inputs import PIXELS, QUESTIONS

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Work:
    """bench/contestants/spec.ts says what the fields mean."""

    peer: str
    kind: str
    directory: Path
    dtype: str
    threads: int
    images: int
    questions: int = 0
    tokens: int = 0
    compile: str = "default"

    @staticmethod
    def of(text: str) -> "Work":
        fields = json.loads(text)
        return Work(**{name: fields[name] for name in Work.__dataclass_fields__ if name in fields} | {
            "directory": Path(fields["directory"])
        })  # fmt: skip


class Normalized(torch.nn.Module):
    """u8 pictures [I, S, S, 3] -> the tower's input. In f32 even where the tower is bf16: as preprocessors do."""

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self.dtype = dtype
        self.register_buffer("mean", torch.tensor(CLIP_MEAN) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(CLIP_STD) * 255, persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return ((pixels.float() - self.mean) / self.std).permute(0, 3, 1, 2).to(self.dtype)


class Plain(torch.nn.Module):
    """transformers' tower: u8 pictures -> the last hidden state."""

    def __init__(self, tower: CLIPVisionModel, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.normalized, self.tower = Normalized(dtype), tower.to(dtype)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.tower(self.normalized(pixels)).last_hidden_state.float()


def load_tower(directory: Path) -> CLIPVisionModel:
    return CLIPVisionModel.from_pretrained(directory / "tower", dtype=torch.float32, attn_implementation="sdpa").eval()


def inputs(work: Work, edge: int, width: int) -> tuple[torch.Tensor, ...]:
    pixels = torch.from_numpy(numpy.fromfile(work.directory / PIXELS, numpy.uint8)).view(-1, edge, edge, 3)
    if not work.questions:
        return (pixels[: work.images],)
    questions = torch.from_numpy(numpy.fromfile(work.directory / QUESTIONS, numpy.float32)).view(8, -1, width)
    return pixels[: work.images], questions[: work.questions, : work.tokens].contiguous()


def prepare(work: Work) -> Callable[[], torch.Tensor]:
    """The work as one call."""
    torch.set_num_threads(work.threads)
    torch.set_grad_enabled(False)
    dtype, name = DTYPES[work.dtype], work.peer.removesuffix("-compiled")
    if name == "torch":
        # Read in the dtype it computes in, which takes less time than to convert it later.
        tower = CLIPVisionModel.from_pretrained(work.directory / "tower", dtype=dtype, attn_implementation="sdpa")
        model, width = Plain(tower, dtype).eval(), 0
    else:
        # Not before: it has the classes of every kind of tower imported, and a start of the plain one is timed.
        from qavit_torch import load_adapter

        from .cpu_pairs import PAIRS

        fused = load_adapter(work.directory / "adapter", load_tower(work.directory)).eval()
        tower, width = fused, fused.question_width
        model = PAIRS[name](fused, dtype).eval()
    operands = inputs(work, tower.config.image_size, width)
    if work.peer.endswith("-compiled"):
        model = compiled(model, work)
    return lambda: model(*operands)


def compiled(model: torch.nn.Module, work: Work) -> Callable:
    """By inductor, weights frozen: packed once."""
    # Kept between processes, so that a second start compiles nothing.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(work.directory / "inductor"))
    import torch._inductor.config as settings

    settings.freezing = True
    # One graph or an error: what falls back to eager half-way would be measured as compiled.
    return torch.compile(model, mode=work.compile, dynamic=False, fullgraph=True)
