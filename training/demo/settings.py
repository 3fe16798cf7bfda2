"""Every size and step count of the demo model in one place."""

from dataclasses import dataclass
from pathlib import Path

import torch

TRAINING = Path(__file__).resolve().parent.parent
SCRATCH = TRAINING / "out" / "demo"  # ignored by git
MODEL = TRAINING.parent / "models" / "demo"

# Scene seeds: training and held-out pictures come from ranges that cannot meet.
TRAIN_SEEDS = range(10_000_000)
HELD_OUT_SEEDS = range(20_000_000, 30_000_000)
assert TRAIN_SEEDS.stop <= HELD_OUT_SEEDS.start

SHIPPED = ("question", 0)  # arm and seed: the first one, not the best one


@dataclass(frozen=True)
class Settings:
    """Sizes in pixels, tokens and steps; C, H, L, E as in the architecture notes."""

    name: str = "full"
    picture: int = 64
    patch: int = 8
    width: int = 128  # C
    heads: int = 4  # H, so D = 32
    layers: int = 5  # L; 'late' fuses 2, 3 and 4
    seeing_layers: int = 3  # of these, the ones that learn what each patch shows; those above learn captions
    language_width: int = 128  # E, and Dq: question features come from the language model's own encoder
    language_layers: int = 2
    train_pictures: int = 60_000
    rewritten_pictures: int = 30_000  # of these, the first ones, drawn again with other characters
    question_pictures: int = 32_000  # of these, the first ones, for language model and arms
    held_out_pictures: int = 1_000
    pretrain_batch: int = 64
    pretrain_lower_steps: int = 5_000  # the lower half alone, on what each patch shows
    pretrain_upper_steps: int = 1_200  # the upper half alone, on captions
    pretrain_rate: float = 1e-3
    batch: int = 64
    language_steps: int = 5_000  # the language model alone, on pictures in words
    align_steps: int = 800  # projector and adapter, with the language model frozen
    arm_steps: int = 1_000  # projector, adapter and language model, on answers
    language_rate: float = 1e-3
    rate: float = 5e-4
    adapter_rate: float = 2e-3
    gate_rate: float = 2e-2
    select_steps: int = 1_200  # a token selector, and everything that arm_steps trains once more, at half its rates
    selector_rate: float = 5e-3
    seeds: tuple[int, ...] = (0, 1, 2)

    @property
    def out(self) -> Path:
        folder = SCRATCH / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


QUICK = Settings(
    name="quick",  # a run of a few minutes that exercises every stage; its accuracy means nothing
    train_pictures=3_000,
    rewritten_pictures=3_000,
    question_pictures=3_000,
    held_out_pictures=200,
    pretrain_lower_steps=100,
    pretrain_upper_steps=40,
    language_steps=100,
    align_steps=50,
    arm_steps=50,
    select_steps=50,
    seeds=(0,),
)


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
