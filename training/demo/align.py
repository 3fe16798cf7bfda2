"""Aligns the projector before the language model learns: a visual token starts as the words for what its patch shows.

Without it the language model meets 65 unknown vectors and unknown words at once, and stays at guessing by the type of
the question for thousands of steps. The target of a patch is the sum of the language model's own embeddings of the
colour, the shape and the character there, plus a fixed random code of its place. Plain tower only, no questions; shared
by all arms.
"""

import torch
from torch.nn import functional as F

from .data import load_split
from .features import TowerFeatures
from .language import build_tokenizer
from .pretrain import GLYPHS, patch_labels
from .reader import Reader
from .scenes import COLORS, SHAPES
from .settings import Settings, device

PLACE_SCALE = 0.5  # of the place's code, beside embeddings of unit variance
BACKGROUND_WEIGHT = 0.1


def align(settings: Settings, features: TowerFeatures, reader: Reader) -> None:
    """Fits the projector of `reader`, nothing else."""
    _, scenes = load_split("train", settings)
    labels = torch.from_numpy(patch_labels(scenes[: settings.question_pictures], settings)).long()
    codes = [_codes(reader, names) for names in (COLORS, SHAPES, GLYPHS.lower())]
    places = PLACE_SCALE * torch.randn(labels.shape[1], settings.language_width, device=device())
    rows = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(reader.projector.parameters(), settings.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.align_steps)
    for step in range(settings.align_steps):
        chosen = torch.randint(len(labels), (settings.batch,), generator=rows)
        label = labels[chosen].to(device())
        target = sum(code[label[..., i]] for i, code in enumerate(codes)) + places
        tokens = reader.projector(features.last(chosen))[:, 1:]
        weight = torch.where(label[..., :1] > 0, 1.0, BACKGROUND_WEIGHT)
        loss = (weight * F.mse_loss(tokens, target, reduction="none")).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == settings.align_steps - 1:
            print(f"align {step}/{settings.align_steps} loss {loss:.3f}", flush=True)


@torch.no_grad()
def _codes(reader: Reader, names) -> torch.Tensor:
    """Embeddings of the words, with zeros first: class 0 is 'nothing there'."""
    tokenizer = build_tokenizer()
    ids = torch.tensor([tokenizer.token_to_id(name) for name in names], device=device())
    table = reader.language.shared(ids).clone()
    return torch.cat([torch.zeros_like(table[:1]), table])
