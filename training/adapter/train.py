"""`python -m adapter.train --tower DIR --language DIR --data x.jsonl --out DIR`: trains a QA-ViT adapter.

The tower stays frozen. Projector, question path, gates and gated projections train; so does the language model if
--language-out says where to keep it, and a token selector with --select. The adapter folder is what
`QAViT.load({ tower, adapter, language })` reads.

With --model DIR instead of --tower and --language: for a LLaVA, whose language model stays frozen, and whose projector
does too unless --train-projector says otherwise. `QAViT.load({ tower: DIR, adapter, language: DIR })` reads it.
"""

import argparse
import random
import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer, logging

from qavit_torch import INTEGRATION_POINTS, save_adapter
from qavit_torch.towers import see

from . import llava, t5
from .answerer import Answerer
from .data import Samples, loader, read_samples
from .loop import exact_match, parameter_groups, train


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m adapter.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    folders = parser.add_argument_group("folders and files")
    folders.add_argument("--tower", type=Path, help="Hugging Face folder of a vision tower")
    folders.add_argument("--language", type=Path, help="Hugging Face folder of a T5 or mT5")
    folders.add_argument("--model", type=Path, help="Hugging Face folder of a LLaVA, instead of these two")
    folders.add_argument(
        "--data", type=Path, required=True, help='JSONL: {"image": path, "question": .., "answer": ..}'
    )
    folders.add_argument("--held-out", type=Path, help="JSONL to report exact match on after training")
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
    shape.add_argument("--drop-cls", action="store_true", help="hand over patches only")
    shape.add_argument("--features", choices=("encoder", "embedding"), help="default encoder")
    shape.add_argument("--normalization", choices=("qa-vit", "none"), help="default qa-vit")
    shape.add_argument("--max-question-tokens", type=positive, default=30, help="default 30")
    numbers = "numbers of visual tokens to learn to answer from, besides all: 1,2,4,8 (default: no token selector)"
    shape.add_argument("--select", type=budget_list, default=[], help=numbers)
    run = parser.add_argument_group("the run")
    run.add_argument("--steps", type=positive, default=10_000, help="default 10000")
    run.add_argument("--batch", type=positive, default=32, help="default 32")
    run.add_argument("--rate", type=float, default=2e-4, help="learning rate (default 2e-4)")
    run.add_argument("--gate-rate", type=float, default=5e-3, help="learning rate of the gates (default 5e-3)")
    run.add_argument("--selector-rate", type=float, default=1e-3, help="that of the token selector (default 1e-3)")
    run.add_argument("--save-every", type=positive, default=1000, help="steps (default 1000)")
    run.add_argument("--workers", type=int, default=2, help="processes that read pictures (default 2)")
    run.add_argument("--bf16", action="store_true", help="products in bfloat16; a LLaVA's language model too")
    run.add_argument("--seed", type=int, default=0, help="default 0")
    run.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: a GPU if any")
    return parser.parse_args(argv)


def positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"Expected 1 or more but received {text}")
    return int(text)


def number_list(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def budget_list(text: str) -> list[int]:
    budgets = number_list(text)
    if min(budgets) < 1:
        raise argparse.ArgumentTypeError(f"Expected 1 or more tokens but received {text}")
    return budgets


def check_folders(options: argparse.Namespace) -> None:
    """Nothing that is written may take the place of what is read, or of what else is written."""
    read = (("tower", options.tower), ("language", options.language), ("model", options.model))
    taken = {folder.resolve(): name for name, folder in read if folder is not None}
    for name, folder in (("out", options.out), ("language-out", options.language_out)):
        if folder is None:
            continue
        if folder.resolve() in taken:
            other = taken[folder.resolve()]
            raise ValueError(f"Expected a folder of its own for --{name} but received {folder}, which is --{other}")
        taken[folder.resolve()] = name


def check_layers(model: Answerer) -> None:
    """A layer above the one that is handed over is not computed: what it adds cannot train."""
    states = model.tower.config.num_hidden_layers + 1
    layer, fused = model.hidden_layer, model.tower.fused_layers
    if not -states <= layer < states:
        where = f"--vision-feature-layer of a tower with {states - 1} layers"
        raise ValueError(f"Expected {-states}..{states - 1} for {where} but received {layer}")
    above = [index for index in fused if index >= layer % states]
    if above == fused:
        raise ValueError(f"Expected a fused layer below --vision-feature-layer {layer} but received {fused}")
    if above:
        names = ", ".join(map(str, above))
        print(f"warning: fused layers {names} do not train: --vision-feature-layer {layer} lies below", file=sys.stderr)


@torch.no_grad()
def check_budgets(model: Answerer, pixels: torch.Tensor) -> None:
    """`pixels` [3, S, S]: any picture of the samples; all become the same number of tokens."""
    if not model.budgets:
        return
    before = 0 if model.keep_cls else see(model.tower.tower).before_patches
    tokens = model.tower.embed(pixels[None].to(model.tower.token_selector.weight.device)).shape[1] - before
    if max(model.budgets) > tokens:
        raise ValueError(f"Expected at most {tokens} visual tokens for --select but received {max(model.budgets)}")


def check_model(options: argparse.Namespace) -> None:
    """Either a tower and a language model, or a LLaVA."""
    if options.model is not None:
        return
    for name, folder in (("tower", options.tower), ("language", options.language)):
        if folder is None:
            raise ValueError(f"Expected --tower and --language, or --model, but received no --{name}")
    if options.train_projector:
        raise ValueError("Expected --train-projector beside --model alone: every other projector trains")


def save(model: Answerer, options: argparse.Namespace) -> None:
    save_adapter(
        options.out,
        model.tower,
        hidden_layer=model.hidden_layer,
        keep_cls=model.keep_cls,
        question=model.reading.config(),
    )
    if options.language_out is not None:
        model.language.save_pretrained(options.language_out)
        AutoTokenizer.from_pretrained(options.language).save_pretrained(options.language_out)


def run(options: argparse.Namespace) -> list[float]:
    check_model(options)
    check_folders(options)
    random.seed(options.seed)  # draws among a sample's answers where no worker does
    torch.manual_seed(options.seed)
    setup = (t5 if options.model is None else llava).prepare(options)
    model, tokenizer, device = setup.model, setup.tokenizer, torch.device(options.device)
    check_layers(model)

    def batches(file: Path, shuffle: bool) -> torch.utils.data.DataLoader:
        return loader(Samples(read_samples(file, setup.expect_askable), setup.processor), setup.join, options.batch, options.workers, shuffle)

    training = batches(options.data, shuffle=True)
    held_out = batches(options.held_out, shuffle=False) if options.held_out else None
    check_budgets(model, training.dataset[0][0])
    groups = parameter_groups(model, options.rate, options.gate_rate, options.selector_rate)
    count = sum(p.numel() for group in groups for p in group["params"])
    print(f"{len(training.dataset)} samples, {count / 1e6:.1f} M parameters to train")

    def save_now_and_then(step: int) -> None:
        if step % options.save_every == 0 or step == options.steps:
            save(model, options)

    losses = train(model, training, groups, options.steps, device, options.bf16, save_now_and_then)
    if held_out is not None:
        for count in (None, *options.select):
            share = exact_match(model, held_out, tokenizer, device, count)
            print(f"held-out exact match {100 * share:.1f}%{'' if count is None else f' (visual tokens: {count})'}")
    return losses


def main(argv: list[str] | None = None) -> list[float]:
    """Returns the loss of every step."""
    logging.set_verbosity_error()  # what matters of its reports is checked in models.py
    try:
        return run(parse(argv))
    except (ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"adapter.train: {error}")


if __name__ == "__main__":
    main()
