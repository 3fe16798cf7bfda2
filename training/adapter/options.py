"""`python -m adapter.train --tower DIR --language DIR --data x.jsonl --out DIR`: trains a QA-ViT adapter.

The tower stays frozen. Projector, question path, gates and gated projections train; so does the language model if
--language-out says where to keep it, and a token selector with --select. The adapter folder is what
`QAViT.load({ tower, adapter, language })` reads.

With --model DIR instead of --tower and --language: for a vision-language model (families.py). Its language
model stays frozen, and so does its projector unless --train-projector says otherwise. `QAViT.load({ tower: DIR,
adapter, language: DIR })` reads it.
"""

import argparse
import hashlib
import math
import os
from pathlib import Path

import torch

from qavit_torch import INTEGRATION_POINTS

from .picture_size import PictureSize

# Folders that are read.
READ = ("tower", "language", "model")

# What a run may change where it goes on. All else decides what its steps see and learn.
FREE = (
    *("data", "held_out", "out", "language_out", "state", "save_every", "workers", "device"),
    *("rate", "gate_rate", "selector_rate", "micro_batch", "gradient_checkpointing", "evaluate_every"),
)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m adapter.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    folders = parser.add_argument_group("folders and files")
    folders.add_argument("--tower", type=Path, help="Hugging Face folder of a vision tower")
    folders.add_argument("--language", type=Path, help="Hugging Face folder of a T5 or mT5")
    folders.add_argument(
        "--model", type=Path, help="Hugging Face folder of a vision-language model, instead of these two"
    )
    folders.add_argument(
        "--data", type=Path, required=True, help='JSONL: {"image": path, "question": .., "answer": ..}'
    )
    folders.add_argument("--held-out", type=Path, help="JSONL to report exact match on, after training and at times")
    folders.add_argument("--out", type=Path, required=True, help="adapter folder to write")
    folders.add_argument("--language-out", type=Path, help="train the language model too and write it here")
    shape = parser.add_argument_group("the adapter")
    where = shape.add_mutually_exclusive_group()
    late = "default late; of a LLaVA's layers, those that are computed"
    where.add_argument("--integration-point", choices=INTEGRATION_POINTS, help=late)
    where.add_argument("--layers", type=number_list, help="fused layers, instead: 12,14,16")
    shape.add_argument("--projector-layers", type=int, choices=(1, 2), help="default 2")
    shape.add_argument("--projector-activation", choices=("relu", "gelu"), help="default relu")
    shape.add_argument("--train-projector", action="store_true", help="go on with a LLaVA's projector, and keep it")
    shape.add_argument("--vision-feature-layer", type=int, help="hidden layer handed over (default -1)")
    sizes = shape.add_mutually_exclusive_group()
    size = "side of the pictures, or width and height as in 448x252 (default: what the tower's folder says)"
    sizes.add_argument("--image-size", type=picture_size, help=size)
    whole = "each picture whole, in its own shape, of at most so many patches, instead"
    sizes.add_argument("--max-patches", type=positive, help=whole)
    shape.add_argument("--drop-cls", action="store_true", help="hand over patches only")
    shape.add_argument("--features", choices=("encoder", "embedding"), help="default encoder")
    shape.add_argument("--normalization", choices=("qa-vit", "none"), help="default qa-vit")
    shape.add_argument("--max-question-tokens", type=positive, default=30, help="default 30")
    numbers = "numbers of visual tokens to learn to answer from, besides all: 1,2,4,8 (default: no token selector)"
    shape.add_argument("--select", type=budget_list, default=[], help=numbers)
    run = parser.add_argument_group("the run")
    run.add_argument("--steps", type=positive, default=10_000, help="default 10000")
    run.add_argument("--batch", type=positive, default=32, help="default 32")
    at_once = "of a batch's samples that are computed at once, for less memory (default: all)"
    run.add_argument("--micro-batch", type=positive, help=at_once)
    again = "keep a layer's input alone and compute the rest again on the way back: less memory, more time"
    run.add_argument("--gradient-checkpointing", action="store_true", help=again)
    run.add_argument("--rate", type=learning_rate, default=2e-4, help="learning rate (default 2e-4)")
    run.add_argument("--gate-rate", type=learning_rate, default=5e-3, help="learning rate of the gates (default 5e-3)")
    run.add_argument(
        "--selector-rate", type=learning_rate, default=1e-3, help="that of the token selector (default 1e-3)"
    )
    run.add_argument("--save-every", type=positive, default=1000, help="steps (default 1000)")
    run.add_argument(
        "--evaluate-every", type=positive, help="steps after which --held-out is asked (default: the last)"
    )
    state = "keep here, at every save, what the same command needs to go on where it was; it does if it is there"
    run.add_argument("--state", type=Path, metavar="FILE", help=state)
    run.add_argument("--workers", type=int, default=2, help="processes that read pictures (default 2)")
    run.add_argument("--bf16", action="store_true", help="products in bfloat16; a LLaVA's language model too")
    run.add_argument("--seed", type=int, default=0, help="default 0")
    run.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: a GPU if any")
    return parser.parse_args(argv)


def positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"Expected 1 or more but received {text}")
    return int(text)


def picture_size(text: str) -> PictureSize:
    try:
        return PictureSize.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def learning_rate(text: str) -> float:
    """PyTorch takes any, and would learn backwards."""
    if not 0 <= float(text) < math.inf:
        raise argparse.ArgumentTypeError(f"Expected a finite number from 0 but received {text}")
    return float(text)


def number_list(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def budget_list(text: str) -> list[int]:
    budgets = number_list(text)
    if min(budgets) < 1:
        raise argparse.ArgumentTypeError(f"Expected 1 or more tokens but received {text}")
    return budgets


def check_folders(options: argparse.Namespace) -> None:
    """Nothing that is written may take the place of what is read, or of what else is written."""
    taken = {getattr(options, name).resolve(): name for name in READ if getattr(options, name) is not None}
    for name, folder in (("out", options.out), ("language-out", options.language_out)):
        if folder is None:
            continue
        if folder.resolve() in taken:
            other = taken[folder.resolve()]
            raise ValueError(f"Expected a folder of its own for --{name} but received {folder}, which is --{other}")
        taken[folder.resolve()] = name


def check_state(options: argparse.Namespace) -> None:
    """A folder in its place would be met at the first save alone."""
    folders = {folder.resolve() for folder in (options.out, options.language_out) if folder is not None}
    if options.state is not None and (options.state.is_dir() or options.state.resolve() in folders):
        raise ValueError(f"Expected a file for --state but received {options.state}, which is a folder")


def check_device(name: str) -> None:
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # the latter where PyTorch was built without it
        raise ValueError(f"Expected a device that PyTorch has for --device but received {name}: {error}") from error


def check_options(options: argparse.Namespace) -> None:
    """What there is, and goes together: either a tower and a language model, or a LLaVA."""
    check_device(options.device)
    if options.evaluate_every is not None and options.held_out is None:
        raise ValueError("Expected --held-out beside --evaluate-every but received none")
    if options.model is not None:
        for name in ("image_size", "max_patches"):
            if getattr(options, name) is not None:
                option = name.replace("_", "-")
                raise ValueError(f"Expected --{option} beside --tower alone: --model has a size of its own")
        return
    for name, folder in (("tower", options.tower), ("language", options.language)):
        if folder is None:
            raise ValueError(f"Expected --tower and --language, or --model, but received no --{name}")
    if options.train_projector:
        raise ValueError("Expected --train-projector beside --model alone: every other projector trains")


def settings_of(options: argparse.Namespace) -> dict[str, str]:
    settings = {name: str(value) for name, value in vars(options).items() if name not in FREE}
    settings |= {name: str(getattr(options, name) and getattr(options, name).resolve()) for name in READ}
    return settings | {"data": f"of SHA-256 {hashlib.sha256(options.data.read_bytes()).hexdigest()}"}


def make_folders(options: argparse.Namespace) -> None:
    """Before the first step rather than at the first save."""
    for folder in (options.out, options.language_out, options.state and options.state.parent):
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise ValueError(f"Expected a folder that can be written but received {folder}")
