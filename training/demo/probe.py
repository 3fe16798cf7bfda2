"""What a linear map can read off single patches: what the question-blind tower keeps and drops, layer by layer, and
what the arms hand over when they are asked about something else.
"""

import json
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import CLIPVisionModel

from .data import load_split, normalize
from .language import build_tokenizer, tokenize
from .pretrain import patch_labels
from .questions import ask, ask_any
from .reader import Reader
from .report import ARMS
from .scenes import Scene
from .settings import Settings, device
from .visual import Visual

PROPERTIES = ("color", "shape", "character")
TRAIN, HELD_OUT, STEPS, BATCH, CHUNK = 800, 250, 200, 1_024, 250


# Pixels of scenes -> hidden states [B, M, C], class token first.
States = Callable[[torch.Tensor, list[Scene]], list[torch.Tensor]]

# What a picture's question is about: how many objects of a kind there are, or anything.
ASKED = {"count": lambda scene, rng: ask(scene, rng, "count"), "anything": ask_any}


def probe(settings: Settings, tower: CLIPVisionModel) -> list[dict]:
    """Held-out accuracy in per cent of one linear probe a property and hidden state, saved as probe.json."""
    rows = _probe(settings, lambda pixels, _: tower(pixels, output_hidden_states=True).hidden_states)
    rows = [{"hidden state": index, **row} for index, row in enumerate(rows)]
    _save(settings, "probe", rows)
    return rows


def probe_arms(settings: Settings, arms: dict[str, tuple[Reader, Visual]]) -> list[dict]:
    """The same of what arms hand over, saved as probe-arms.json: one row for each arm and kind of question.

    Rows of arms that are not asked now stay.
    """
    file = settings.out / "probe-arms.json"
    rows = [row for row in json.loads(file.read_text()) if row["arm"] not in arms] if file.exists() else []
    for arm, (reader, visual) in arms.items():
        for asked, question_of in ASKED.items():
            states = _asked_states(reader, visual, question_of)
            (row,) = _probe(settings, states)
            rows.append({"arm": arm, "asked": asked, **row})
    rows.sort(key=lambda row: list(ARMS).index(row["arm"]))
    _save(settings, "probe-arms", rows)
    return rows


def _asked_states(reader: Reader, visual: Visual, question_of) -> States:
    tokenizer, rng = build_tokenizer(), np.random.default_rng(0)

    def states(pixels: torch.Tensor, scenes: list[Scene]) -> list[torch.Tensor]:
        ids, mask = tokenize(tokenizer, [question_of(scene, rng).text for scene in scenes])
        return [visual.from_pixels(pixels, ids.to(device()), mask.to(device()), reader)]

    return states


def _probe(settings: Settings, states: States) -> list[dict]:
    torch.manual_seed(0)
    (train_states, train_labels), (test_states, test_labels) = (
        _patches(settings, states, split, count) for split, count in (("train", TRAIN), ("held_out", HELD_OUT))
    )
    return [
        {
            name: _accuracy(train, train_labels[:, column], test, test_labels[:, column])
            for column, name in enumerate(PROPERTIES)
        }
        for train, test in zip(train_states, test_states, strict=True)
    ]


def _save(settings: Settings, name: str, rows: list[dict]) -> None:
    for row in rows:
        print(row, flush=True)
    (settings.out / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n")


@torch.no_grad()
def _patches(settings: Settings, states: States, split: str, count: int):
    """States of the patches that show a character, one [patches, C] a hidden state, and their labels [patches, 3]."""
    pictures, scenes = load_split(split, settings)
    labels = torch.from_numpy(patch_labels(scenes[:count], settings)).long()
    marked = labels[..., 2] > 0
    kept: list[list[torch.Tensor]] = []
    for start in range(0, count, CHUNK):
        part = slice(start, min(start + CHUNK, count))
        pixels = normalize(torch.from_numpy(np.array(pictures[part])).to(device()))
        kept.append([state[:, 1:].cpu()[marked[part]] for state in states(pixels, scenes[part])])
    return [torch.cat(parts) for parts in zip(*kept, strict=True)], labels[marked]


def _accuracy(train: torch.Tensor, targets: torch.Tensor, test: torch.Tensor, truth: torch.Tensor) -> float:
    mean, spread = train.mean(0), train.std(0) + 1e-6
    train, test = (train - mean) / spread, (test - mean) / spread
    linear = nn.Linear(train.shape[1], int(targets.max()) + 1)
    optimizer = torch.optim.AdamW(linear.parameters(), 1e-2, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        chosen = torch.randint(len(train), (BATCH,))
        optimizer.zero_grad()
        F.cross_entropy(linear(train[chosen]), targets[chosen]).backward()
        optimizer.step()
        schedule.step()
    return 100.0 * float((linear(test).argmax(-1) == truth).float().mean())
