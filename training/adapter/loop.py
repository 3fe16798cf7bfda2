"""One training run: AdamW, a rise and a cosine fall of the rate, clipped gradients."""

import math
import time
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase

from .answerer import Answerer
from .data import Batch

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


def endless(batches: DataLoader) -> Iterator[Batch]:
    while True:
        yield from batches


def train(
    model: Answerer,
    batches: DataLoader,
    groups: list[dict],
    steps: int,
    device: torch.device,
    autocast: bool,
    after_step: Callable[[int], None] = lambda step: None,
) -> list[float]:
    """Returns the loss of every step."""
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    warm_up = max(1, round(WARM_UP * steps))

    def share(step: int) -> float:
        fall = 0.5 * (1 + math.cos(math.pi * step / steps))
        return min((step + 1) / warm_up, fall)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    trained = [parameter for group in groups for parameter in group["params"]]
    losses, reported = [], time.monotonic()
    model.train()
    for step, batch in zip(range(1, steps + 1), endless(batches), strict=False):
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            loss = model.loss(batch.to(device))
        if not torch.isfinite(loss):
            raise FloatingPointError(f"Expected a finite loss in step {step} but received {loss.item()}; lower --rate")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step == steps or time.monotonic() - reported > REPORT_SECONDS:
            reported = time.monotonic()
            recent = losses[-50:]
            print(f"step {step}/{steps} loss {sum(recent) / len(recent):.4f} gates {gates(model)}", flush=True)
        after_step(step)
    return losses


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
    model.eval()
    right = total = 0
    for batch in batches:
        for said, wanted in zip(model.answer(batch.to(device), tokenizer, count), batch.answers, strict=True):
            right += said.lower() in {answer.strip().lower() for answer in wanted}
            total += 1
    return right / total
