"""Decoders whose rows do not all look back alone, as single steps that can be exported: PaliGemma's and Gemma 3's.

Their masks are transformers', which makes them with functions that no exporter follows; adapter.check_llava holds one
to the other.
"""

import torch
from torch import nn
from transformers import PreTrainedModel

from .steps import DecoderStep


class TwoWayStep(DecoderStep):
    """Of the whole model: its own forward pass would make masks of its own."""

    def __init__(self, whole: PreTrainedModel):
        super().__init__(whole.model.language_model)
        self.head = whole.lm_head
        self.window = getattr(self.language.config, "sliding_window", None)
        # Gemma 2 caps the scores of attention, which transformers' usual kernel (sdpa) leaves out.
        self.language.set_attn_implementation("eager")

    def masks(self, full: torch.Tensor, near: torch.Tensor, dtype: torch.dtype) -> torch.Tensor | dict:
        """Of layers that see everything and of those that see what is near; True [B, T, P + T] where a key is seen."""
        full, near = (
            torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)[:, None]
            for seen in (full, near)
        )
        has_kinds = getattr(self.language.config, "layer_types", None) is not None
        return {"full_attention": full, "sliding_attention": near} if has_kinds else full

    def said(self, inputs_embeds, masks, position_ids, past) -> tuple:
        cache = self.cache(past)
        hidden = self.language(
            inputs_embeds=inputs_embeds,
            attention_mask=masks,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return self.head(hidden), *self.caches(cache)


def looking_back(attention_mask, position_ids, window: int | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """[B, T, P + T]: keys that are no padding; of these no later ones; those within the window, later ones too."""
    keys = torch.arange(attention_mask.shape[1])[None, None]
    places = position_ids[:, :, None]
    near = keys > places - window if window else keys >= 0
    return attention_mask[:, None, :].bool(), keys <= places, near


class PrefixStep(TwoWayStep):
    """PaliGemma: the rows of a prompt see each other, those of the answer look back. Positions count from 1."""

    def forward(self, inputs_embeds, attention_mask, position_ids, past):
        known, back, near = looking_back(attention_mask, position_ids, self.window)
        is_prompt = (position_ids[:, :1] == 0)[:, :, None]
        masks = self.masks(known & (back | is_prompt), known & (back & near | is_prompt), inputs_embeds.dtype)
        return self.said(inputs_embeds, masks, position_ids + 1, past)


class PictureStep(TwoWayStep):
    """Gemma 3: the rows of a picture see each other, all others look back."""

    extra_inputs = ("token_type_ids",)

    def forward(self, inputs_embeds, attention_mask, position_ids, token_type_ids, past):
        """`token_type_ids` [B, T]: 1 for rows of a picture."""
        known, back, near = looking_back(attention_mask, position_ids, self.window)
        is_picture = token_type_ids == 1
        begins = is_picture & ~nn.functional.pad(is_picture, (1, -1))
        picture = torch.where(is_picture, begins.long().cumsum(1), 0)
        # A picture is read at once: none of its rows is among those before.
        before = torch.zeros(past[0].shape[0], past[0].shape[2], dtype=torch.long)
        same = (picture[:, :, None] == torch.cat([before, picture], 1)[:, None]) & is_picture[:, :, None]
        seen = known & (back | same)
        return self.said(inputs_embeds, self.masks(seen, seen & near, inputs_embeds.dtype), position_ids, past)
