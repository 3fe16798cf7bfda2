"""One training run: AdamW, a rise and a cosine fall of the rate, clipped gradients."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from .answerer import NEW_TOKENS, Answerer
from .data import Batch, seed_of

WARM_UP = 0.05  # of all steps
REPORT_SECONDS = 10


def parameter_groups(model: Answerer, rate: float, gate_rate: float, selector_rate: float) -> list[dict]:
    """Gates and token selector apart: a scalar or a row that starts at 0 needs a larger rate to get anywhere.

    Vectors do not decay.
    """
    fusing, selector = model.tower.fusing.values(), model.tower.token_selector
    gates = [layer.instruction_proj_gate for layer in fusing]
    ratings = [] if selector is None else [selector.weight]
    known = {id(parameter) for parameter in (*gates, *ratings)}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    return [
        {"params": [p for p in rest if p.dim() > 1], "lr": rate, "weight_decay": 0.01},
        {"params": [p for p in rest if p.dim() <= 1], "lr": rate, "weight_decay": 0.0},
        {"params": gates, "lr": gate_rate, "weight_decay": 0.0},
        {"params": ratings, "lr": selector_rate, "weight_decay": 0.0},
    ]


@dataclass(frozen=True)
class Course:
    """How a run goes. A step draws from a seed of its own, so that one that goes on draws what it would have drawn."""

    steps: int
    seed: int = 0
    bf16: bool = False
    micro_batch: int | None = None  # samples that are computed at once; None: a whole batch

    def share(self, step: int) -> float:
        """Of the highest rate, in step 1..steps."""
        warm_up = max(1, round(WARM_UP * self.steps))
        return min(step / warm_up, 0.5 * (1 + math.cos(math.pi * (step - 1) / self.steps)))


def build_optimizer(groups: list[dict]) -> torch.optim.AdamW:
    return torch.optim.AdamW(groups, betas=(0.9, 0.98))


def train(
    model: Answerer,
    batches: Iterable[Batch],
    optimizer: torch.optim.Optimizer,
    course: Course,
    device: torch.device,
    done: int = 0,
    after_step: Callable[[int], None] = lambda step: None,
) -> list[float]:
    """The steps after the first `done`, one for each of `batches`; returns the loss of each."""
    rates = [group["lr"] for group in optimizer.param_groups]
    trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    losses, began, reported = [], time.monotonic(), time.monotonic()
    model.train()
    for step, batch in enumerate(batches, start=done + 1):
        torch.manual_seed(seed_of(course.seed, "step", step))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * course.share(step)
        optimizer.zero_grad(set_to_none=True)
        losses.append(add_gradients(model, batch, course, device))
        norm = nn.utils.clip_grad_norm_(trained, 1.0)
        if not math.isfinite(losses[-1]) or not torch.isfinite(norm):
            found = f"a loss of {losses[-1]} and a gradient of {norm.item()}"
            raise FloatingPointError(f"Expected finite numbers in step {step} but received {found}; lower --rate")
        optimizer.step()
        now = time.monotonic()
        if step == course.steps or now - reported > REPORT_SECONDS:
            reported, recent = now, losses[-50:]
            left = timedelta(seconds=round((now - began) / len(losses) * (course.steps - step)))
            line = f"step {step}/{course.steps} loss {sum(recent) / len(recent):.4f} gates {gates(model)}"
            print(f"{line} ({left} left)", flush=True)
        after_step(step)
    return losses


def add_gradients(model: Answerer, batch: Batch, course: Course, device: torch.device) -> float:
    """Of the mean loss over all tokens of the batch's answers, however many samples are computed at once; the loss."""
    pieces = batch.pieces(course.micro_batch or len(batch.answers))
    counts = [(piece.labels >= 0).sum().item() for piece in pieces]
    total = 0.0
    for piece, count in zip(pieces, counts, strict=True):
        with torch.autocast(device.type, torch.bfloat16, enabled=course.bf16):
            loss = model.loss(piece.to(device)) * (count / sum(counts))
        loss.backward()
        total += loss.item()
    return total


def gates(model: Answerer) -> str:
    """tanh(beta) of every fused layer."""
    layers = model.tower.fusing.items()
    return " ".join(f"{index}:{layer.instruction_proj_gate.tanh().item():+.3f}" for index, layer in layers)


@torch.no_grad()
def exact_match(
    model: Answerer,
    batches: Iterable[Batch],
    tokenizer: PreTrainedTokenizerBase,
    device: torch.device,
    count: int | None = None,
) -> float:
    """Share of answers that are one of the given ones, case aside; from all visual tokens, or the best `count`."""
    was_training = model.training
    model.eval()
    right = total = 0
    for batch in batches:
        # Room for the first of the wanted answers, which are the labels, where it is a long one.
        room = max(NEW_TOKENS, batch.labels.shape[1])
        for piece in batch.pieces(len(batch.answers)):
            said = model.answer(piece.to(device), tokenizer, count, room)
            for answer, wanted in zip(said, piece.answers, strict=True):
                right += answer.lower() in {one.strip().lower() for one in wanted}
                total += 1
    model.train(was_training)
    return right / total
