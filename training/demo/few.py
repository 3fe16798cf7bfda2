"""How an arm answers when the language model reads only the tokens that a selector rates highest.

A trained arm goes on training, everything but the tower, with a token selector (`qavit_torch/selection.py`). All arms
get the same; only in the arm `question` do the rated tokens depend on the question.
"""

from collections.abc import Callable

import numpy as np
import torch
from transformers import CLIPVisionModel

from qavit_torch import build_selector, select_tokens, selection_loss

from .arms import adapter_groups, build_reader, build_visual, load_arm, train
from .evaluate import exact_match, held_out_questions
from .features import TowerFeatures
from .language import build_tokenizer
from .reader import Reader
from .report import save_few
from .settings import Settings, device
from .stream import Batch
from .visual import Visual

BUDGETS = (1, 2, 4, 8)  # one of them for each batch
SCORED = (*BUDGETS, 16)
CONTROL = 8  # that many at random: what choosing tokens is worth

# Hidden tokens [B, M, C] -> their ratings [B, M].
Rate = Callable[[torch.Tensor], torch.Tensor]


def train_few(arm: str, seed: int, settings: Settings, tower: CLIPVisionModel, features: TowerFeatures) -> None:
    torch.manual_seed(seed)
    reader, visual = load_arm(arm, seed, settings, tower)
    fused, budgets = visual.fused, np.random.default_rng(3_000 + seed)
    reader.train()
    fused.token_selector = build_selector(settings.width).to(device())

    def loss(batch: Batch) -> torch.Tensor:
        hidden = visual.from_features(features, batch, reader)

        def answer_loss(tokens: torch.Tensor) -> torch.Tensor:
            return reader.loss_from_tokens(tokens, batch.question, batch.mask, batch.answer)

        return selection_loss(answer_loss, reader.projector(hidden), fused.rate(hidden), int(budgets.choice(BUDGETS)))

    groups = [{"params": list(reader.parameters()), "lr": settings.rate}, *adapter_groups(settings, visual)]
    groups = [{**group, "lr": group["lr"] / 2} for group in groups]
    groups.append({"params": list(fused.token_selector.parameters()), "lr": settings.selector_rate})
    train(f"{arm} {seed} few", settings, groups, loss, settings.select_steps, seed=3_000 + seed)
    state = {"reader": reader.state_dict(), "visual": visual.state(), "selector": fused.token_selector.state_dict()}
    torch.save(state, settings.out / f"few-{arm}-{seed}.pt")
    save_few(settings, arm, seed, score_few(reader, visual, settings))


def load_few(arm: str, seed: int, settings: Settings, tower: CLIPVisionModel) -> tuple[Reader, Visual]:
    saved = torch.load(settings.out / f"few-{arm}-{seed}.pt", map_location=device())
    reader, visual = build_reader(settings), build_visual(arm, settings, tower)
    reader.load_state_dict(saved["reader"])
    visual.load(saved["visual"])
    visual.fused.token_selector = build_selector(settings.width).to(device())
    visual.fused.token_selector.load_state_dict(saved["selector"])
    return reader.eval(), visual


def score_few(reader: Reader, visual: Visual, settings: Settings) -> dict[str, dict[str, float]]:
    """How many tokens the language model reads -> exact match on held-out scenes, of every family."""
    reader.eval()
    held_out, tokenizer = held_out_questions(settings), build_tokenizer()

    def score(count: int | None, rate: Rate) -> dict[str, float]:
        def answer(pixels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            hidden = visual.from_pixels(pixels, ids, mask, reader)
            kept = hidden if count is None else select_tokens(hidden, rate(hidden), count)
            return reader.answer(kept, ids, mask)

        return exact_match(answer, held_out, tokenizer)

    def at_random(hidden: torch.Tensor) -> torch.Tensor:
        return torch.rand(hidden.shape[:2], device=hidden.device)

    ways = {str(count): (count, visual.fused.rate) for count in SCORED}
    ways |= {"all": (None, visual.fused.rate), f"{CONTROL} at random": (CONTROL, at_random)}
    scores = {}
    for name, (count, rate) in ways.items():
        scores[name] = score(count, rate)
        print(name, {family: round(value, 1) for family, value in scores[name].items()}, flush=True)
    return scores
