"""A vision-language model (families.py) with a question-aware tower.

What `QAViT.load({ tower: llava, adapter, language: llava })` computes, whatever its family.
The language model is frozen, and so is the projector unless it is asked to train; an adapter holds what trained.
Questions reach the tower as rows of the language model's embedding table.
"""

import argparse
import json
from itertools import takewhile
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache

from qavit_torch import QuestionAwareVisionTower, build_selector, width_of
from qavit_torch.layers import integration_layers
from qavit_torch.towers import grid_of, see

from .answerer import NEW_TOKENS, Answerer, Setup
from .data import Batch, Reading
from .families import Family, family_of
from .llava_prompts import LlavaBatch, LlavaCollate, Prompts, end_tokens
from .pictures import load_processor

# What these would say stands in the model's own files.
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

# Whose embedding layers scale the rows of their tables themselves.
GEMMAS = ("gemma", "gemma2", "gemma3", "gemma3_text")


class LlavaAnswerer(Answerer):
    """`language` is the whole model, the tower's frozen half included."""

    def __init__(
        self,
        *args: object,
        family: Family,
        question_table: torch.Tensor,
        image_token: int,
        end_tokens: list[int],
        **settings: object,
    ):
        super().__init__(*args, **settings)
        # As it is stored, whatever the language model computes in: it is what qavit reads questions by.
        self.register_buffer("question_table", question_table, persistent=False)
        self.family, self.image_token, self.end_tokens = family, image_token, end_tokens

    def question_features(self, batch: Batch) -> torch.Tensor:
        return nn.functional.embedding(batch.question, self.question_table)

    def see(self, batch: Batch, count: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        tokens, visual = super().see(batch, count)
        grid = grid_of(self.tower.config, batch.pixels)
        return tokens, self.family.project(self.language, tokens, grid) if visual is None else visual

    def sequences(self, visual: torch.Tensor, prompts: list[torch.Tensor]) -> list[torch.Tensor]:
        """Rows of the prompts [T, E], visual tokens [B, N, E] in the picture's place."""
        table = self.language.get_input_embeddings()
        rows = []
        for tokens, ids in zip(visual, prompts, strict=True):
            place = (ids == self.image_token).nonzero().item()
            before, after = table(ids[:place]), table(ids[place + 1 :])
            rows.append(torch.cat([before, tokens.to(before.dtype), after]))
        return rows

    def row_types(
        self, visual: torch.Tensor, prompts: list[torch.Tensor], rows: list[torch.Tensor], side: str
    ) -> dict[str, torch.Tensor]:
        """token_type_ids for the language models that want some; `rows` begin with those of the prompts."""
        count, types = visual.shape[1], []
        for ids, row in zip(prompts, rows, strict=True):
            place, prompt = (ids == self.image_token).nonzero().item(), len(ids) - 1 + count
            types.append(self.family.row_types(place, count, prompt, len(row) - prompt))
        if None in types:
            return {}
        tensors = [torch.tensor(each, device=visual.device) for each in types]
        return {"token_type_ids": nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_side=side)}

    def row_places(
        self, visual: torch.Tensor, batch: LlavaBatch, rows: list[torch.Tensor], side: str
    ) -> dict[str, torch.Tensor]:
        """position_ids [3, B, T] for the language models that are told them; `rows` as above."""
        count, grid, places = visual.shape[1], grid_of(self.tower.config, batch.pixels), []
        for ids, row in zip(batch.prompts, rows, strict=True):
            place, prompt = (ids == self.image_token).nonzero().item(), len(ids) - 1 + count
            places.append(self.family.row_places(place, prompt, len(row) - prompt, grid))
        if any(each is None for each in places):
            return {}
        turned = [each.T.to(visual.device) for each in places]
        pad = nn.utils.rnn.pad_sequence
        return {"position_ids": pad(turned, batch_first=True, padding_side=side).permute(2, 0, 1)}

    def told(self, visual: torch.Tensor, batch: LlavaBatch, rows: list[torch.Tensor], side: str) -> dict:
        """What the language model hears of its rows besides."""
        types = self.row_types(visual, batch.prompts, rows, side)
        return types | self.row_places(visual, batch, rows, side)

    def answer_loss(self, visual: torch.Tensor, batch: LlavaBatch) -> torch.Tensor:
        table = self.language.get_input_embeddings()
        rows, labels = [], []
        for prompt, said in zip(self.sequences(visual, batch.prompts), batch.labels, strict=True):
            said = said[said >= 0]
            rows.append(torch.cat([prompt, table(said)]))
            labels.append(torch.cat([said.new_full(prompt.shape[:1], -100), said]))
        labels = nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-100)[:, 1:]
        inputs = padded(rows, "right") | self.told(visual, batch, rows, "right")
        hidden = self.language.model(**inputs, use_cache=False).last_hidden_state[:, :-1]
        told = labels >= 0  # logits of the other rows would take more memory than all else
        return nn.functional.cross_entropy(self.language.lm_head(hidden[told]).float(), labels[told])

    @torch.no_grad()
    def answer(
        self, batch: LlavaBatch, tokenizer: Tokenizer, count: int | None = None, max_new_tokens: int = NEW_TOKENS
    ) -> list[str]:
        _, visual = self.see(batch, count)
        settings = {"max_new_tokens": max_new_tokens, "do_sample": False, "num_beams": 1}
        settings |= {"eos_token_id": self.end_tokens, "pad_token_id": self.end_tokens[0]}
        rows = self.sequences(visual, batch.prompts)
        inputs = padded(rows, "left") | self.told(visual, batch, rows, "left")
        if "position_ids" in inputs:  # generate() would count them itself
            said = say(self.language, inputs, self.end_tokens, max_new_tokens)
        else:
            said = self.language.generate(**inputs, **settings).tolist()
        whole = [list(takewhile(lambda token: token not in self.end_tokens, ids)) for ids in said]
        return [text.strip() for text in tokenizer.decode_batch(whole, skip_special_tokens=True)]


def say(language: PreTrainedModel, inputs: dict[str, torch.Tensor], ends: list[int], most: int) -> list[list[int]]:
    """Greedily, behind prompts that are padded on the left and have places of their own, `position_ids` [3, B, T]."""
    rows, mask, places = (inputs[name] for name in ("inputs_embeds", "attention_mask", "position_ids"))
    cache, said, ended = DynamicCache(), [], mask.new_zeros(len(mask), dtype=torch.bool)
    while len(said) < most and not ended.all():
        told = {"inputs_embeds": rows, "attention_mask": mask, "position_ids": places, "past_key_values": cache}
        hidden = language.model.language_model(**told, use_cache=True).last_hidden_state[:, -1]
        said.append(language.lm_head(hidden).argmax(-1))
        ended |= torch.isin(said[-1], said[-1].new_tensor(ends))
        rows = language.get_input_embeddings()(said[-1])[:, None]
        mask = nn.functional.pad(mask, (0, 1), value=1)
        places = places[:, :, -1:].amax(0, keepdim=True).expand(3, -1, -1) + 1
    return torch.stack(said, 1).tolist()


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


def describe(folder: Path) -> tuple[Family, dict, int, bool]:
    """What it is, config.json, the hidden layer that is handed over, and whether the class token is."""
    family = family_of(folder)
    config = json.loads((folder / "config.json").read_text())
    return family, config, *family.taken(config, folder)


def expect_plain_rows(config: dict, folder: Path) -> None:
    """lib/llm/text-rows.ts refuses models that scale rows behind their embedding layer: questions are read by these."""
    text = config.get("text_config") or {}
    kind = text.get("model_type") or ""
    if kind.startswith(("gemma", "recurrent_gemma", "t5gemma")) and kind not in GEMMAS:
        wanted = "a language model that uses the rows of its embedding table as they are"
        raise ValueError(f"Expected {wanted} in {folder} but received {kind!r}")
    for key in ("embedding_multiplier", "scale_emb"):
        if text.get(key, 1) != 1:
            raise ValueError(f"Expected 1 for {key} of text_config in {folder} but received {text[key]}")


def prepare(options: argparse.Namespace) -> Setup:
    folder = options.model
    check_arguments(options)
    family, config, layer, keep_cls = describe(folder)
    expect_plain_rows(config, folder)
    if family.unselectable and options.select:
        raise ValueError(f"Expected no --select: {folder} {family.unselectable}")
    llava = family.load(folder)
    llava.requires_grad_(False)
    words = llava.get_input_embeddings()
    # Gemma's multiplies the rows of its table.
    table = words.weight.detach() * getattr(words, "scalar_embed_scale", 1.0)
    if getattr(family.language(llava).config, "attn_logit_softcapping", None) is not None:
        family.language(llava).set_attn_implementation("eager")  # the others leave the cap out
    if options.bf16:
        family.language(llava).bfloat16()
        llava.lm_head.bfloat16()
    tower = family.tower(llava)
    before = see(tower).before_patches
    if not keep_cls and before != 1:
        wanted = "a tower with a class token and no registers"
        raise ValueError(f"Expected {wanted} for the strategy 'default' of {folder} but received {before} such tokens")
    if keep_cls and before > 0 and family.patches_alone:
        wanted = "a tower without tokens before its patches"
        raise ValueError(f"Expected {wanted} for the strategy 'full' of {folder} but received {before} such tokens")
    layers = options.layers
    if layers is None and options.integration_point is None:
        # `late` of the layers that are computed: the last of LLaVA-1.5 is not.
        count = len(see(tower).layers)
        layers = [i for i in integration_layers("late", count) if i < layer % (count + 1)]
    fused = QuestionAwareVisionTower(
        tower,
        llava.get_input_embeddings().embedding_dim,
        integration_point=options.integration_point,
        layers=layers,
        projector=family.trainable_projector(llava, folder) if options.train_projector else None,
        token_selector=build_selector(width_of(tower)) if options.select else None,
    )
    ends = end_tokens(folder, config)
    prompts = Prompts(folder, config, family, llava.config.image_token_id, ends)
    reading = Reading("embedding", "none", options.max_question_tokens)
    settings = {"family": family, "question_table": table, "image_token": prompts.image_token, "end_tokens": ends}
    model = LlavaAnswerer(fused, llava, reading, layer, keep_cls, options.select, **settings).to(options.device)

    def expect_askable(question: str, where: str) -> None:
        reading.expect_askable(question, where)
        prompts.expect_askable(question, where)

    return Setup(model, prompts.tokenizer, load_processor(folder), LlavaCollate(prompts, reading), expect_askable)
