"""The three arms of the comparison, trained on the same pictures, questions and steps from the same start.

- plain:    the frozen tower as it is; projector and language model train.
- question: the same, with QA-ViT fusing in the upper half of the tower; its adapter trains too.
- constant: the same adapter, fed learned constant tokens in the question's place. What it gains over `plain` comes from
            more parameters in the tower; what `question` gains over it comes from the question.

All start from one pretrained language model. Each first aligns what it trains in front of that model (`align.py`), then
trains everything on questions and answers.
"""

import math
import time
from copy import deepcopy

import torch
from torch import nn
from transformers import CLIPVisionModel

from .align import Alignment
from .data import load_split
from .evaluate import exact_match, held_out_questions
from .features import TowerFeatures
from .language import build_language, build_tokenizer
from .reader import Reader
from .report import save_scores
from .settings import Settings, device
from .stream import Batch, stream
from .visual import ConstantVisual, PlainVisual, QuestionVisual, Visual, make_projector

RISE = 100


def build_reader(settings: Settings) -> Reader:
    return Reader(make_projector(settings), build_language(settings)).to(device())


def train_arm(arm: str, seed: int, settings: Settings, tower: CLIPVisionModel, features: TowerFeatures) -> None:
    torch.manual_seed(seed)
    reader = build_reader(settings)
    reader.language.load_state_dict(torch.load(settings.out / "language.pt", map_location=device()))
    visual = build_visual(arm, settings, tower)
    alignment = Alignment(settings, reader)

    def align_loss(batch: Batch) -> torch.Tensor:
        return alignment.loss(visual.from_features(features, batch, reader), batch)

    def answer_loss(batch: Batch) -> torch.Tensor:
        tokens = visual.from_features(features, batch, reader)
        return reader.loss(tokens, batch.question, batch.mask, batch.answer)

    name = f"{arm} {seed}"
    adapter = adapter_groups(settings, visual)
    groups = [{"params": list(reader.projector.parameters()), "lr": settings.rate}, *adapter]
    reader.language.requires_grad_(False)
    train(f"{name} align", settings, groups, align_loss, settings.align_steps, seed=1_000 + seed)
    reader.language.requires_grad_(True)
    groups = [{"params": list(reader.parameters()), "lr": settings.rate}, *adapter]
    train(f"{name} answer", settings, groups, answer_loss, settings.arm_steps, seed=2_000 + seed)
    torch.save({"reader": reader.state_dict(), "visual": visual.state()}, settings.out / f"arm-{arm}-{seed}.pt")
    score_arm(arm, seed, settings, reader, visual)


def adapter_groups(settings: Settings, visual: Visual) -> list[dict]:
    gates, rest = visual.gates(), visual.trained()
    if not rest:
        return []
    return [{"params": rest, "lr": settings.adapter_rate}, {"params": gates, "lr": settings.gate_rate}]


def load_arm(arm: str, seed: int, settings: Settings, tower: CLIPVisionModel) -> tuple[Reader, Visual]:
    saved = torch.load(settings.out / f"arm-{arm}-{seed}.pt", map_location=device())
    reader, visual = build_reader(settings), build_visual(arm, settings, tower)
    reader.load_state_dict(saved["reader"])
    visual.load(saved["visual"])
    return reader.eval(), visual


def build_visual(arm: str, settings: Settings, tower: CLIPVisionModel) -> Visual:
    kind = {"plain": PlainVisual, "question": QuestionVisual, "constant": ConstantVisual}[arm]
    return kind(deepcopy(tower), settings)


def score_arm(arm: str, seed: int, settings: Settings, reader: Reader, visual: Visual) -> dict:
    reader.eval()

    def answer(pixels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return reader.answer(visual.from_pixels(pixels, ids, mask, reader), ids, mask)

    scores = exact_match(answer, held_out_questions(settings), build_tokenizer())
    scores["gates"] = [float(gate.detach().tanh()) for gate in visual.gates()]
    save_scores(settings, arm, seed, scores)
    print(arm, seed, {k: round(v, 1) if isinstance(v, float) else v for k, v in scores.items()}, flush=True)
    return scores


def train(name: str, settings: Settings, groups: list[dict], loss_of, steps: int, seed: int) -> None:
    """AdamW; rates rise over RISE steps, then fall as a cosine. bfloat16 products, float32 weights."""
    _, scenes = load_split("train", settings)
    batches = stream(scenes[: settings.question_pictures], build_tokenizer(), settings.batch, seed)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / RISE) * 0.5 * (1 + math.cos(math.pi * step / steps))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    parameters = [p for group in groups for p in group["params"]]
    start, smooth = time.time(), None
    for step in range(steps):
        batch = next(batches).to(device())
        with torch.autocast(device().type, torch.bfloat16):
            loss = loss_of(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        smooth = loss.item() if smooth is None else 0.98 * smooth + 0.02 * loss.item()
        if step % 100 == 0 or step == steps - 1:
            pace = (step + 1) * settings.batch / (time.time() - start)
            print(f"{name} {step}/{steps} loss {smooth:.3f} {pace:.0f} questions/s", flush=True)
