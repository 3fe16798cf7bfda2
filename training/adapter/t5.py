"""A tower before a T5, as in the paper's ViT+T5."""

import argparse
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qavit_torch import QuestionAwareVisionTower, build_projector, build_selector, width_of
from qavit_torch.towers import patch_side

from .answerer import NEW_TOKENS, Answerer, Setup
from .data import Batch, Collate, Reading
from .models import load_language, load_tokenizer, load_tower
from .picture_size import AtSize, InOwnShapes, Processor
from .pictures import NaFlexImageProcessorPil, load_processor, max_patches


class T5Answerer(Answerer):
    def inputs(self, visual: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """What the language model reads, of projected tokens [B, N, E]."""
        text = self.language.get_input_embeddings()(batch.question)
        rows = torch.cat([visual, text.to(visual.dtype)], 1)
        return {
            "inputs_embeds": rows,
            "attention_mask": torch.cat([batch.mask.new_ones(visual.shape[:2]), batch.mask], 1),
        }

    def answer_loss(self, visual: torch.Tensor, batch: Batch) -> torch.Tensor:
        return self.language(**self.inputs(visual, batch), labels=batch.labels, use_cache=False).loss

    @torch.no_grad()
    def answer(
        self,
        batch: Batch,
        tokenizer: PreTrainedTokenizerBase,
        count: int | None = None,
        max_new_tokens: int = NEW_TOKENS,
    ) -> list[str]:
        _, visual = self.see(batch, count)
        settings = {"max_new_tokens": max_new_tokens, "do_sample": False, "num_beams": 1}
        said = self.language.generate(**self.inputs(visual, batch), **settings)
        return [text.strip() for text in tokenizer.batch_decode(said, skip_special_tokens=True)]


def expect_ends(tokenizer: PreTrainedTokenizerBase, end: int, folder: Path) -> None:
    """Who learns answers without an end never ends one."""
    found = tokenizer("a").input_ids
    if found[-1:] != [end]:
        raise ValueError(f"Expected texts to end with token {end} by the tokenizer of {folder} but received {found}")


def processor_of(options: argparse.Namespace, tower: PreTrainedModel) -> Processor:
    processor, size, most = load_processor(options.tower), options.image_size, options.max_patches
    patch = patch_side(tower.config)
    if size is None and most is None and isinstance(processor, NaFlexImageProcessorPil):
        most = max_patches(options.tower, patch)
    if most is not None:
        return InOwnShapes(processor, patch, most)
    if size is None:
        return processor
    if min(size.width, size.height) < patch:
        raise ValueError(f"Expected at least {patch}, a patch, for --image-size but received {size}")
    return AtSize(processor, size)


def prepare(options: argparse.Namespace) -> Setup:
    language = load_language(options.language)
    tower = load_tower(options.tower)
    width = language.config.hidden_size
    fused = QuestionAwareVisionTower(
        tower,
        width,
        integration_point=options.integration_point,
        layers=options.layers,
        projector=build_projector(
            width_of(tower), width, options.projector_layers or 2, options.projector_activation or "relu"
        ),
        token_selector=build_selector(width_of(tower)) if options.select else None,
    )
    language.requires_grad_(options.language_out is not None)
    reading = Reading(options.features or "encoder", options.normalization or "qa-vit", options.max_question_tokens)
    layer = -1 if options.vision_feature_layer is None else options.vision_feature_layer
    model = T5Answerer(fused, language, reading, layer, not options.drop_cls, options.select).to(options.device)
    tokenizer = load_tokenizer(options.language)
    expect_ends(tokenizer, language.config.eos_token_id, options.language)
    processor = processor_of(options, tower)
    return Setup(model, tokenizer, processor, Collate(tokenizer, reading), reading.expect_askable)
