"""A LLaVA with a question-aware tower: what `QAViT.load({ tower: llava, adapter, language: llava })` computes.

The language model is frozen, and so is LLaVA's projector unless it is asked to train; an adapter holds what trained.
Questions reach the tower as rows of the language model's embedding table.
"""

import argparse
import json
from itertools import takewhile
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import LlavaForConditionalGeneration

from qavit_torch import QuestionAwareVisionTower, build_projector, build_selector
from qavit_torch.layers import integration_layers
from qavit_torch.towers import see

from .answerer import NEW_TOKENS, Answerer, Setup
from .data import Batch, Reading
from .llava_prompts import LlavaBatch, LlavaCollate, Prompts, end_tokens
from .models import load_whole, read_model_type
from .pictures import load_processor, read_config

# What these would say stands in the LLaVA's own files.
SAID_BY_THE_MODEL = (
    "tower",
    "language",
    "language_out",
    "features",
    "normalization",
    "vision_feature_layer",
    "drop_cls",
    "projector_layers",
    "projector_activation",
)


class LlavaAnswerer(Answerer):
    """`language` is the whole LLaVA, the tower's frozen half included."""

    def __init__(
        self,
        *args: object,
        question_table: torch.Tensor,
        image_token: int,
        end_tokens: list[int],
        **settings: object,
    ):
        super().__init__(*args, **settings)
        # As it is stored, whatever the language model computes in: it is what qavit reads questions by.
        self.register_buffer("question_table", question_table, persistent=False)
        self.image_token, self.end_tokens = image_token, end_tokens

    def question_features(self, batch: Batch) -> torch.Tensor:
        return nn.functional.embedding(batch.question, self.question_table)

    def see(self, batch: Batch, count: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        tokens, visual = super().see(batch, count)
        return tokens, self.language.model.multi_modal_projector(tokens) if visual is None else visual

    def sequences(self, visual: torch.Tensor, prompts: list[torch.Tensor]) -> list[torch.Tensor]:
        """Rows of the prompts [T, E], visual tokens [B, N, E] in the picture's place."""
        table = self.language.get_input_embeddings()
        rows = []
        for tokens, ids in zip(visual, prompts, strict=True):
            place = (ids == self.image_token).nonzero().item()
            before, after = table(ids[:place]), table(ids[place + 1 :])
            rows.append(torch.cat([before, tokens.to(before.dtype), after]))
        return rows

    def answer_loss(self, visual: torch.Tensor, batch: LlavaBatch) -> torch.Tensor:
        table = self.language.get_input_embeddings()
        rows, labels = [], []
        for prompt, said in zip(self.sequences(visual, batch.prompts), batch.labels, strict=True):
            said = said[said >= 0]
            rows.append(torch.cat([prompt, table(said)]))
            labels.append(torch.cat([said.new_full(prompt.shape[:1], -100), said]))
        labels = nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-100)[:, 1:]
        hidden = self.language.model(**padded(rows, "right"), use_cache=False).last_hidden_state[:, :-1]
        told = labels >= 0  # logits of the other rows would take more memory than all else
        return nn.functional.cross_entropy(self.language.lm_head(hidden[told]).float(), labels[told])

    @torch.no_grad()
    def answer(
        self, batch: LlavaBatch, tokenizer: Tokenizer, count: int | None = None, max_new_tokens: int = NEW_TOKENS
    ) -> list[str]:
        _, visual = self.see(batch, count)
        settings = {"max_new_tokens": max_new_tokens, "do_sample": False, "num_beams": 1}
        settings |= {"eos_token_id": self.end_tokens, "pad_token_id": self.end_tokens[0]}
        inputs = padded(self.sequences(visual, batch.prompts), "left")
        said = self.language.generate(**inputs, **settings).tolist()
        whole = [list(takewhile(lambda token: token not in self.end_tokens, ids)) for ids in said]
        return [text.strip() for text in tokenizer.decode_batch(whole, skip_special_tokens=True)]


def padded(rows: list[torch.Tensor], side: str) -> dict[str, torch.Tensor]:
    """Rows [T, E] of several lengths as one batch, padded on one side."""
    ones = [row.new_ones(row.shape[:1], dtype=torch.long) for row in rows]
    pad = nn.utils.rnn.pad_sequence
    return {
        "inputs_embeds": pad(rows, batch_first=True, padding_side=side),
        "attention_mask": pad(ones, batch_first=True, padding_side=side),
    }


def check_arguments(options: argparse.Namespace) -> None:
    for name in SAID_BY_THE_MODEL:
        if getattr(options, name) not in (None, False):
            raise ValueError(f"Expected no --{name.replace('_', '-')} beside --model, which says it itself")


def describe(folder: Path) -> tuple[dict, int, bool]:
    """config.json, the hidden layer that is handed over, and whether the class token is."""
    if read_model_type(folder) != "llava":
        raise ValueError(f"Expected model_type 'llava' in {folder} but received {read_model_type(folder)!r}")
    config = json.loads((folder / "config.json").read_text())
    layer = config.get("vision_feature_layer", -2)
    if isinstance(layer, list) and len(layer) == 1:
        layer = layer[0]
    if not isinstance(layer, int):
        raise ValueError(f"Expected one layer for vision_feature_layer of {folder} but received {layer}")
    strategy = config.get("vision_feature_select_strategy", "default")
    if strategy not in ("default", "full"):
        wanted = "'default' or 'full' for vision_feature_select_strategy"
        raise ValueError(f"Expected {wanted} of {folder} but received {strategy!r}")
    if read_config(folder).get("do_pad"):
        raise ValueError(f"Expected pictures that are not padded to squares in {folder} but received do_pad")
    return config, layer, strategy == "full"


def trainable_projector(llava: LlavaForConditionalGeneration, folder: Path) -> nn.Sequential:
    """LLaVA's own, in the form that adapters store."""
    config, own = llava.config, llava.model.multi_modal_projector
    if not config.multimodal_projector_bias or config.projector_hidden_act not in ("gelu", "relu"):
        found = f"{config.projector_hidden_act}, bias {config.multimodal_projector_bias}"
        raise ValueError(
            f"Expected a projector with biases and gelu or relu in {folder} for --train-projector but received {found}"
        )
    width, language_width = own.linear_1.in_features, own.linear_1.out_features
    projector = build_projector(width, language_width, 2, config.projector_hidden_act)
    projector[0].load_state_dict(own.linear_1.state_dict())
    projector[2].load_state_dict(own.linear_2.state_dict())
    return projector


def prepare(options: argparse.Namespace) -> Setup:
    folder = options.model
    check_arguments(options)
    config, layer, keep_cls = describe(folder)
    llava, _ = load_whole(LlavaForConditionalGeneration, folder)
    llava.requires_grad_(False)
    table = llava.get_input_embeddings().weight.detach()
    if options.bf16:
        llava.model.language_model.bfloat16()
        llava.lm_head.bfloat16()
    tower = getattr(llava.model.vision_tower, "vision_model", llava.model.vision_tower)
    before = see(tower).before_patches
    if not keep_cls and before != 1:
        wanted = "a tower with a class token and no registers"
        raise ValueError(f"Expected {wanted} for the strategy 'default' of {folder} but received {before} such tokens")
    layers = options.layers
    if layers is None and options.integration_point is None:
        # `late` of the layers that are computed: the last of LLaVA-1.5 is not.
        count = tower.config.num_hidden_layers
        layers = [i for i in integration_layers("late", count) if i < layer % (count + 1)]
    fused = QuestionAwareVisionTower(
        tower,
        llava.get_input_embeddings().embedding_dim,
        integration_point=options.integration_point,
        layers=layers,
        projector=trainable_projector(llava, folder) if options.train_projector else None,
        token_selector=build_selector(tower.config.hidden_size) if options.select else None,
    )
    ends = end_tokens(folder, config)
    prompts = Prompts(folder, config, llava.config.image_token_id, ends)
    reading = Reading("embedding", "none", options.max_question_tokens)
    settings = {"question_table": table, "image_token": prompts.image_token, "end_tokens": ends}
    model = LlavaAnswerer(fused, llava, reading, layer, keep_cls, options.select, **settings).to(options.device)

    def expect_askable(question: str, where: str) -> None:
        reading.expect_askable(question, where)
        prompts.expect_askable(question, where)

    return Setup(model, prompts.tokenizer, load_processor(folder), LlavaCollate(prompts, reading), expect_askable)
