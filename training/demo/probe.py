"""What a linear map can read off single patches, layer by layer: what the question-blind tower keeps and drops."""

import json

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import CLIPVisionModel

from .data import load_split, normalize
from .pretrain import patch_labels
from .settings import Settings, device

PROPERTIES = ("color", "shape", "character")
TRAIN, HELD_OUT, STEPS, BATCH, CHUNK = 800, 250, 200, 1_024, 250


def probe(settings: Settings, tower: CLIPVisionModel) -> list[dict]:
    """Held-out accuracy in per cent of one linear probe a property and hidden state, saved as probe.json."""
    torch.manual_seed(0)
    (train_states, train_labels), (test_states, test_labels) = (
        _patches(settings, tower, split, count) for split, count in (("train", TRAIN), ("held_out", HELD_OUT))
    )
    rows = []
    for index, (train, test) in enumerate(zip(train_states, test_states, strict=True)):
        row = {"hidden state": index}
        for column, name in enumerate(PROPERTIES):
            row[name] = _accuracy(train, train_labels[:, column], test, test_labels[:, column])
        rows.append(row)
        print(row, flush=True)
    (settings.out / "probe.json").write_text(json.dumps(rows, indent=1) + "\n")
    return rows


@torch.no_grad()
def _patches(settings: Settings, tower: CLIPVisionModel, split: str, count: int):
    """States of the patches that show a character, one [patches, C] a hidden state, and their labels [patches, 3]."""
    pictures, scenes = load_split(split, settings)
    labels = torch.from_numpy(patch_labels(scenes[:count], settings)).long()
    marked = labels[..., 2] > 0
    states: list[list[torch.Tensor]] = [[] for _ in range(settings.layers + 1)]
    for start in range(0, count, CHUNK):
        part = slice(start, min(start + CHUNK, count))
        pixels = normalize(torch.from_numpy(np.array(pictures[part])).to(device()))
        hidden = tower(pixels, output_hidden_states=True).hidden_states
        for kept, state in zip(states, hidden, strict=True):
            kept.append(state[:, 1:].cpu()[marked[part]])
    return [torch.cat(kept) for kept in states], labels[marked]


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
