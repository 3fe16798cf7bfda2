"""Pretrains the tower without ever showing it a question, then freezes it.

CLIP learned from captions: its middle layers see strokes and characters, while its last layer keeps what a caption
would say. The demo tower gets the same two halves, at a size two CPU cores can train:

- the lower layers learn, for every patch, the colour, the shape and the character of the object the patch shows;
- the upper layers, on top of the frozen lower ones, learn a caption of the whole picture, from every token: which
  coloured shapes are there and where the largest stands. Captions never mention characters, and the upper layers learn
  to leave them out: two drawings of one scene with different characters have to end up alike. A large tower drops what
  captions do not mention because they mention so much else; a small one has room for everything and must be told.

The heads are thrown away. The weights are rounded to float16 here, once, so everything after trains and evaluates on
exactly the tower that is shipped.
"""

import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModel

from .data import load_rewritten, load_split, normalize
from .scenes import COLORS, DIGITS, GRID, LETTERS, SHAPES, Scene
from .settings import Settings, device

GLYPHS = DIGITS + LETTERS
DENSE = (len(COLORS) + 1, len(SHAPES) + 1, len(GLYPHS) + 1)  # class 0: nothing there
PAIRS = len(COLORS) * len(SHAPES)
APART = 5.0  # weight of the distance between pictures of one caption
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
    """The lower half on what each patch shows, then, with that half frozen, the upper half on captions."""
    torch.manual_seed(0)
    tower = build_tower(settings).to(device())
    heads = Heads(settings.width).to(device())
    pretrain_lower(settings, tower, heads)
    torch.save({"tower": tower.state_dict(), "heads": heads.state_dict()}, settings.out / "lower.pt")
    pretrain_upper(settings, tower, heads)
    tower.half().float().eval().save_pretrained(settings.out / "tower")
    torch.save(heads.state_dict(), settings.out / "tower" / "heads.pt")
    return tower


def pretrain_lower(settings: Settings, tower: CLIPVisionModel, heads: Heads) -> None:
    pictures, scenes = load_split("train", settings)
    pictures, labels = torch.from_numpy(np.array(pictures)), torch.from_numpy(patch_labels(scenes, settings))
    where = device()
    parameters = [*tower.parameters(), *heads.dense.parameters()]

    def loss_of(chosen: torch.Tensor) -> tuple[torch.Tensor, str]:
        pixels = jitter(normalize(pictures[chosen].to(where)))
        with torch.autocast(where.type, torch.bfloat16):
            middle = run_layers(tower, embed(tower, pixels), 0, settings.seeing_layers)
        loss, right = heads.dense_loss(middle.float(), labels[chosen].to(where))
        return loss, f"characters {right:.3f}"

    fit("lower", settings, parameters, loss_of, len(pictures), settings.pretrain_batch, settings.pretrain_lower_steps)


def pretrain_upper(settings: Settings, tower: CLIPVisionModel, heads: Heads) -> None:
    """Captions, from pairs of pictures that differ only in what captions never mention."""
    others = torch.from_numpy(np.array(load_rewritten(settings)))
    pictures, scenes = load_split("train", settings)
    pictures = torch.from_numpy(np.array(pictures[: len(others)]))
    pairs, cells = (torch.from_numpy(a) for a in captions(scenes[: len(others)]))
    where, lower = device(), settings.seeing_layers
    # From random weights these layers learn to attend to everything alike, and then none of them holds a patch's own
    # character for an adapter to bring back. So they start as what they follow: a layer that looks at patches.
    for layer in tower.encoder.layers[lower:]:
        layer.load_state_dict(tower.encoder.layers[lower - 1].state_dict())
    parameters = [*tower.encoder.layers[lower:].parameters(), *heads.caption.parameters()]

    def loss_of(chosen: torch.Tensor) -> tuple[torch.Tensor, str]:
        pixels = jitter(normalize(torch.cat([pictures[chosen], others[chosen]]).to(where)))
        with torch.autocast(where.type, torch.bfloat16):
            with torch.no_grad():
                middle = run_layers(tower, embed(tower, pixels), 0, lower)
            last = run_layers(tower, middle, lower, settings.layers).float()
        caption = heads.caption_loss(last, pairs[chosen].repeat(2, 1).to(where), cells[chosen].repeat(2).to(where))
        apart = twin_distance(last)
        return caption + APART * apart, f"caption {caption:.3f} apart {apart:.5f}"

    fit(
        "upper", settings, parameters, loss_of, len(others), settings.pretrain_batch // 2, settings.pretrain_upper_steps
    )


def fit(name: str, settings: Settings, parameters, loss_of, rows: int, batch: int, steps: int) -> None:
    """AdamW under a one-cycle rate; `loss_of` a batch of rows -> loss and what else to print."""
    optimizer = torch.optim.AdamW(parameters, settings.pretrain_rate, betas=(0.9, 0.98), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.pretrain_rate, steps, pct_start=0.08)
    generator, start = torch.Generator().manual_seed(0), time.time()
    order = torch.empty(0, dtype=torch.long)
    for step in range(steps):
        if len(order) < batch:
            order = torch.randperm(rows, generator=generator)
        chosen, order = order[:batch], order[batch:]
        loss, note = loss_of(chosen)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            pace = (step + 1) / (time.time() - start)
            print(f"pretrain {name} {step}/{steps} loss {loss:.3f} {note} {pace:.1f} steps/s", flush=True)


def twin_distance(last: torch.Tensor) -> torch.Tensor:
    """How far the two pictures of a pair are apart, `last` [2 B, M, C], in units of how far unrelated ones are.

    A distance alone would also shrink when all pictures became alike.
    """
    one, other = last.chunk(2)
    return F.mse_loss(one, other) / F.mse_loss(one, one.roll(1, 0))


def embed(tower: CLIPVisionModel, pixels: torch.Tensor) -> torch.Tensor:
    """The hidden state before layer 0."""
    return tower.pre_layrnorm(tower.embeddings(pixels))


def run_layers(tower: CLIPVisionModel, hidden: torch.Tensor, start: int, end: int) -> torch.Tensor:
    """The hidden state before layer `end`, from the one before layer `start`."""
    for layer in tower.encoder.layers[start:end]:
        hidden = layer(hidden, None)
    return hidden


def jitter(pixels: torch.Tensor) -> torch.Tensor:
    """A little brightness, contrast and noise, so that the pictures' colours are not learned by heart."""
    shape = (len(pixels), 1, 1, 1)
    gain = 1 + 0.1 * (torch.rand(shape, device=pixels.device) - 0.5)
    shift = 0.15 * (torch.rand(shape, device=pixels.device) - 0.5)
    return pixels * gain + shift + 0.02 * torch.randn_like(pixels)
