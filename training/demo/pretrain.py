"""Pretrains the tower without ever showing it a question, then freezes it.

CLIP learned from captions: its middle layers see strokes and characters, while its last layer keeps what a caption
would say. The demo tower gets the same two halves, at a size two CPU cores can train:

- the middle of the tower (the input of the first fused layer) predicts, for every patch, the colour, the shape and the
  character of the object the patch shows;
- the last layer predicts a caption of the whole picture, from every token: which coloured shapes are there and where
  the largest stands. Captions never mention characters.

The heads are thrown away. The weights are rounded to float16 here, once, so everything after trains and evaluates on
exactly the tower that is shipped.
"""

import shutil
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModel

from .data import load_split, normalize
from .scenes import COLORS, DIGITS, GRID, LETTERS, SHAPES, Scene
from .settings import Settings, device

GLYPHS = DIGITS + LETTERS
DENSE = (len(COLORS) + 1, len(SHAPES) + 1, len(GLYPHS) + 1)  # class 0: nothing there
PAIRS = len(COLORS) * len(SHAPES)
CAPTION_TOKENS = 8  # patches a picture that must tell the caption in one step, besides CLS


def build_tower(settings: Settings) -> CLIPVisionModel:
    return CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=settings.width,
            intermediate_size=4 * settings.width,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            image_size=settings.picture,
            patch_size=settings.patch,
            hidden_act="quick_gelu",
        )
    )


class Heads(nn.Module):
    """The two pretraining objectives, discarded afterwards."""

    def __init__(self, width: int):
        super().__init__()
        self.dense = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, sum(DENSE)))
        self.caption = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, PAIRS + GRID * GRID))

    def dense_loss(self, middle: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`middle` [B, M, C], `labels` [B, M-1, 3] -> loss, and the accuracy of the characters."""
        scores = self.dense(middle[:, 1:]).float().flatten(0, 1).split(DENSE, -1)
        targets = labels.flatten(0, 1).long().unbind(-1)
        # Most patches show no character; they must not drown those that do.
        weight = torch.where(targets[2] > 0, 1.0, 0.15)
        losses = [F.cross_entropy(s, t, reduction="none") for s, t in zip(scores, targets, strict=True)]
        marked = targets[2] > 0
        right = (scores[2].argmax(-1) == targets[2])[marked].float().mean()
        return (sum(losses) * weight).sum() / weight.sum(), right

    def caption_loss(self, last: torch.Tensor, pairs: torch.Tensor, cell: torch.Tensor) -> torch.Tensor:
        """Every chosen token of `last` [B, M, C] tells what is in the picture and where its largest object stands."""
        chosen = torch.randperm(last.shape[1] - 1, device=last.device)[:CAPTION_TOKENS] + 1
        tokens = torch.cat([last[:, :1], last[:, chosen]], 1)
        scores = self.caption(tokens).float()
        there = pairs[:, None].expand(-1, tokens.shape[1], -1)
        where = cell[:, None].expand(-1, tokens.shape[1]).flatten()
        presence = F.binary_cross_entropy_with_logits(scores[..., :PAIRS], there)
        return 4.0 * presence + 0.3 * F.cross_entropy(scores[..., PAIRS:].flatten(0, 1), where)


def patch_labels(scenes: list[Scene], settings: Settings) -> np.ndarray:
    """uint8 [n, patches, 3]: colour, shape and character (0 for none) of the object each patch shows."""
    side = settings.picture // settings.patch
    centres = (np.arange(side) + 0.5) / side
    labels = np.zeros((len(scenes), side, side, 3), np.uint8)
    for scene, label in zip(scenes, labels, strict=True):
        for thing in scene.things:
            rows, columns = abs(centres - thing.y) <= thing.radius, abs(centres - thing.x) <= thing.radius
            glyph = GLYPHS.index(thing.glyph.text) + 1 if thing.glyph else 0
            here = (list(COLORS).index(thing.color) + 1, SHAPES.index(thing.shape) + 1, glyph)
            label[np.ix_(rows, columns)] = here
    return labels.reshape(len(scenes), side * side, 3)


def captions(scenes: list[Scene]) -> tuple[np.ndarray, np.ndarray]:
    """float [n, pairs] which (colour, shape) pairs are there, and int [n] the cell of the largest object."""
    pairs = np.zeros((len(scenes), PAIRS), np.float32)
    cells = np.zeros(len(scenes), np.int64)
    for i, scene in enumerate(scenes):
        for thing in scene.things:
            pairs[i, list(COLORS).index(thing.color) * len(SHAPES) + SHAPES.index(thing.shape)] = 1
        cells[i] = max(scene.things, key=lambda t: t.radius).cell
    return pairs, cells


def pretrain(settings: Settings) -> CLIPVisionModel:
    torch.manual_seed(0)
    pictures, scenes = load_split("train", settings)
    pictures = torch.from_numpy(np.array(pictures))
    labels = torch.from_numpy(patch_labels(scenes, settings))
    pairs, cells = (torch.from_numpy(a) for a in captions(scenes))
    where, tower = device(), build_tower(settings).to(device())
    heads = Heads(settings.width).to(where)
    lower = settings.layers // 2
    parameters = [*tower.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, settings.pretrain_rate, betas=(0.9, 0.98), weight_decay=0.02)
    steps = settings.pretrain_lower_steps + settings.pretrain_full_steps
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.pretrain_rate, steps, pct_start=0.08)
    generator, start = torch.Generator().manual_seed(0), time.time()
    order = torch.empty(0, dtype=torch.long)
    for step in range(steps):
        if len(order) < settings.pretrain_batch:
            order = torch.randperm(len(pictures), generator=generator)
        chosen, order = order[: settings.pretrain_batch], order[settings.pretrain_batch :]
        pixels = jitter(normalize(pictures[chosen].to(where)))
        with torch.autocast(where.type, torch.bfloat16):
            middle, last = run_tower(tower, pixels, lower, step >= settings.pretrain_lower_steps)
        loss, glyphs = heads.dense_loss(middle.float(), labels[chosen].to(where))
        if last is not None:
            loss = loss + heads.caption_loss(last.float(), pairs[chosen].to(where), cells[chosen].to(where))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            rate = (step + 1) * settings.pretrain_batch / (time.time() - start)
            print(f"pretrain {step}/{steps} loss {loss:.3f} characters {glyphs:.3f} {rate:.0f} pictures/s", flush=True)
    tower.half().float().eval().save_pretrained(settings.out / "tower")
    torch.save(heads.state_dict(), settings.out / "tower" / "heads.pt")
    shutil.rmtree(features_folder(settings), ignore_errors=True)  # of an earlier tower
    return tower


def features_folder(settings: Settings) -> Path:
    """Where what follows keeps this tower's features of the training pictures."""
    return settings.out / "features"


def run_tower(tower: CLIPVisionModel, pixels: torch.Tensor, lower: int, whole: bool):
    """The hidden state before layer `lower`, and the last one where `whole` asks for it."""
    hidden = tower.pre_layrnorm(tower.embeddings(pixels))
    for layer in tower.encoder.layers[:lower]:
        hidden = layer(hidden, None)
    middle = hidden
    if not whole:
        return middle, None
    for layer in tower.encoder.layers[lower:]:
        hidden = layer(hidden, None)
    return middle, hidden


def jitter(pixels: torch.Tensor) -> torch.Tensor:
    """A little brightness, contrast and noise, so that the colours of 40,000 pictures are not learned by heart."""
    shape = (len(pixels), 1, 1, 1)
    gain = 1 + 0.1 * (torch.rand(shape, device=pixels.device) - 0.5)
    shift = 0.15 * (torch.rand(shape, device=pixels.device) - 0.5)
    return pixels * gain + shift + 0.02 * torch.randn_like(pixels)
