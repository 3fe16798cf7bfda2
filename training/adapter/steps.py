"""One call of a decoder-only model, in the form in which it is exported."""

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache
from transformers.utils import ModelOutput


class DecoderStep(nn.Module):
    """New rows behind cached ones."""

    # Of integers [B, T], between the positions and the caches.
    extra_inputs: tuple[str, ...] = ()
    # Places of a row: with 1 the positions are [B, T], with more [places, B, T].
    places = 1

    def __init__(self, language: PreTrainedModel):
        super().__init__()
        self.language = language

    def forward(self, inputs_embeds, attention_mask, position_ids, past):
        """[B, T, E], [B, P + T], [(places,) B, T], keys and values [B, H, P, D] -> logits [B, T, words], caches."""
        said = self.language(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=self.cache(past),
            use_cache=True,
        )
        return self.logits(said), *self.caches(said.past_key_values)

    def logits(self, said: ModelOutput) -> torch.Tensor:
        return said.logits

    def cache(self, past: tuple[torch.Tensor, ...]) -> DynamicCache:
        cache = DynamicCache()
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        return cache

    def caches(self, cache: DynamicCache) -> tuple[torch.Tensor, ...]:
        return tuple(part for layer in cache.layers for part in (layer.keys, layer.values))


class PlacedStep(DecoderStep):
    """Qwen2-VL: each row has three places, in time, down and across. Of the whole model, which looks for pictures."""

    places = 3

    def __init__(self, whole: PreTrainedModel):
        super().__init__(whole.model.language_model)
        self.head = whole.lm_head

    def logits(self, said: ModelOutput) -> torch.Tensor:
        return self.head(said.last_hidden_state)
