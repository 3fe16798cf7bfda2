"""A training run from its options (options.py) to the adapter's folder."""

import argparse
import sys

import torch
from safetensors import SafetensorError
from torch.utils.data import BatchSampler
from transformers import logging
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from qavit_torch import save_adapter
from qavit_torch.towers import see

from . import llava, t5
from .answerer import Answerer
from .data import Order, Samples, loader, read_samples
from .loop import Course, build_optimizer, exact_match, parameter_groups, train
from .models import load_tokenizer
from .options import check_folders, check_options, check_state, make_folders, parse, settings_of
from .picture_size import InOwnShapes
from .state import RunState


def check_layers(model: Answerer) -> None:
    """A layer above the one that is handed over is not computed: what it adds cannot train."""
    states = model.tower.depth + 1
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
def check_budgets(model: Answerer, samples: Samples) -> None:
    if not model.budgets:
        return
    before = see(model.tower.tower).before_patches
    if isinstance(samples.processor, InOwnShapes):
        tokens = before + samples.processor.most
    elif isinstance(samples.processor, Qwen2VLImageProcessorPil):
        tokens = before + samples.processor.size.longest_edge // samples.processor.patch_size**2
    else:  # any picture: all become the same number of tokens
        pixels = samples[0][0][None].to(model.tower.token_selector.weight.device)
        tokens = model.tower.embed(pixels).shape[1]
    tokens -= 0 if model.keep_cls else before
    if max(model.budgets) > tokens:
        raise ValueError(f"Expected at most {tokens} visual tokens for --select but received {max(model.budgets)}")


def size_trained_on(options: argparse.Namespace) -> int | dict[str, int] | None:
    """Where the tower's folder does not say it."""
    if options.max_patches is not None:
        return {"max_patches": options.max_patches}
    return None if options.image_size is None else options.image_size.config()


def save(model: Answerer, options: argparse.Namespace) -> None:
    save_adapter(
        options.out,
        model.tower,
        hidden_layer=model.hidden_layer,
        keep_cls=model.keep_cls,
        image_size=size_trained_on(options),
        question=model.reading.config(),
    )
    if options.language_out is not None:
        model.language.save_pretrained(options.language_out)
        load_tokenizer(options.language).save_pretrained(options.language_out)
        mode = (options.language_out / "config.json").stat().st_mode
        for weights in options.language_out.glob("*.safetensors"):
            weights.chmod(mode)  # safetensors makes them for their owner alone


def run(options: argparse.Namespace) -> list[float]:
    check_options(options)
    check_folders(options)
    check_state(options)
    torch.manual_seed(options.seed)
    setup = (t5 if options.model is None else llava).prepare(options)
    model, device = setup.model, torch.device(options.device)
    check_layers(model)
    training, held_out = (
        file and Samples(read_samples(file, setup.expect_askable), setup.processor)
        for file in (options.data, options.held_out)
    )
    check_budgets(model, training)
    if options.gradient_checkpointing:
        model.checkpoint_gradients()
    optimizer = build_optimizer(parameter_groups(model, options.rate, options.gate_rate, options.selector_rate))
    state = options.state and RunState(options.state, settings_of(options), model, optimizer)
    done = state.load() if state else 0
    make_folders(options)
    count = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
    going_on = f", going on after step {done}" if done else ""
    print(f"{len(training)} samples, {count / 1e6:.1f} M parameters to train{going_on}")

    def evaluate() -> None:
        at_once = BatchSampler(range(len(held_out)), options.micro_batch or options.batch, drop_last=False)
        batches = loader(held_out, setup.join, at_once, options.workers)
        for count in (None, *options.select):
            share = exact_match(model, batches, setup.tokenizer, device, count)
            print(f"held-out exact match {100 * share:.1f}%{'' if count is None else f' (visual tokens: {count})'}")

    def after_step(step: int) -> None:
        if step % options.save_every == 0 or step == options.steps:
            save(model, options)
            if state:
                state.save(step)
        if options.evaluate_every is not None and step % options.evaluate_every == 0 and step < options.steps:
            evaluate()

    order = Order(len(training), options.batch, options.seed, options.steps, done)
    batches = loader(training, setup.join, order, options.workers)
    course = Course(options.steps, options.seed, options.bf16, options.micro_batch)
    losses = train(model, batches, optimizer, course, device, done, after_step)
    if done == options.steps:
        save(model, options)  # what is told to go elsewhere now
    if held_out is not None:
        evaluate()
    return losses


def main(argv: list[str] | None = None) -> list[float]:
    """Returns the loss of every step."""
    logging.set_verbosity_error()  # what matters of its reports is checked in models.py
    try:
        return run(parse(argv))
    except (ValueError, OSError, FloatingPointError, SafetensorError) as error:
        # Processes that read pictures hand their whole traceback over as the message.
        sys.exit(f"adapter.train: {str(error).strip().rpartition('ValueError: ')[2]}")
    except torch.OutOfMemoryError as error:
        sys.exit(f"adapter.train: {error}\nLess memory: a smaller --micro-batch, --gradient-checkpointing, --bf16")


if __name__ == "__main__":
    main()
