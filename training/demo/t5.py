"""T5 as plain tensor functions, for ONNX export.

`transformers` keeps caches in objects, and its attention takes reshapes that the exporter cannot decompose. These
modules read the weights of a `T5ForConditionalGeneration` and compute the same: the whole encoder, and one call of the
decoder, with caches (one token) or without (the first call).
"""

import torch
from torch import nn
from torch.nn import functional as F
from transformers import T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

Cache = list[torch.Tensor]  # per layer: decoder key, decoder value, encoder key, encoder value, each [B, H, T, D]


class Encoder(nn.Module):
    def __init__(self, language: T5ForConditionalGeneration):
        super().__init__()
        self.encoder = language.encoder

    def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """`inputs_embeds` [B, M + K, E], `attention_mask` [B, M + K] -> last hidden state [B, M + K, E]."""
        hidden = inputs_embeds
        first = self.encoder.block[0].layer[0].SelfAttention
        bias = _position_bias(first, 0, inputs_embeds.shape[1]) + _ignored(attention_mask)
        for block in self.encoder.block:
            own, feed_forward = block.layer
            attention, normed = own.SelfAttention, own.layer_norm(hidden)
            key, value = _heads(attention, attention.k(normed)), _heads(attention, attention.v(normed))
            hidden = feed_forward(hidden + _attend(attention, normed, key, value, bias))
        return self.encoder.final_layer_norm(hidden)


class CachedDecoder(nn.Module):
    def __init__(self, language: T5ForConditionalGeneration):
        super().__init__()
        self.config = language.config
        self.decoder = language.decoder
        self.lm_head = language.lm_head

    def forward(
        self, input_ids: torch.Tensor, states: torch.Tensor, mask: torch.Tensor, past: Cache | None
    ) -> tuple[torch.Tensor, Cache]:
        """`input_ids` [B, T], `states` [B, M + K, E] and their `mask` -> logits [B, T, vocabulary] and all caches."""
        hidden, present = self.decoder.embed_tokens(input_ids), []
        ignored = _ignored(mask)
        start = past[0].shape[2] if past else 0
        bias = _position_bias(self.decoder.block[0].layer[0].SelfAttention, start, input_ids.shape[1])
        for number, block in enumerate(self.decoder.block):
            own, cross, feed_forward = block.layer
            before = past[4 * number : 4 * number + 4] if past else None
            attention, normed = own.SelfAttention, own.layer_norm(hidden)
            key, value = _heads(attention, attention.k(normed)), _heads(attention, attention.v(normed))
            if before:
                key, value = torch.cat([before[0], key], 2), torch.cat([before[1], value], 2)
            hidden = hidden + _attend(attention, normed, key, value, bias)
            attention, normed = cross.EncDecAttention, cross.layer_norm(hidden)
            if before:
                far_key, far_value = before[2], before[3]
            else:
                far_key, far_value = _heads(attention, attention.k(states)), _heads(attention, attention.v(states))
            hidden = hidden + _attend(attention, normed, far_key, far_value, ignored)
            hidden = feed_forward(hidden)
            present += [key, value, far_key, far_value]
        hidden = self.decoder.final_layer_norm(hidden)
        # mT5 has no such field: it never scales.
        if getattr(self.config, "scale_decoder_outputs", False):
            hidden = hidden * self.config.d_model**-0.5
        return self.lm_head(hidden), present


def _ignored(mask: torch.Tensor) -> torch.Tensor:
    """[B, T] of 0 and 1 -> what to add to scores [B, H, ., T]. Large, yet two of them do not overflow."""
    return (1.0 - mask[:, None, None].to(torch.float32)) * -1e9


def _position_bias(attention: T5Attention, start: int, length: int) -> torch.Tensor:
    """Relative position bias [1, H, length, start + length]; a decoder's also hides the future."""
    keys = torch.arange(start + length, device=attention.q.weight.device)
    distance = keys[None, :] - keys[start:, None]
    buckets = T5Attention._relative_position_bucket(
        distance,
        bidirectional=not attention.is_decoder,
        num_buckets=attention.relative_attention_num_buckets,
        max_distance=attention.relative_attention_max_distance,
    )
    bias = F.embedding(buckets, attention.relative_attention_bias.weight).permute(2, 0, 1)[None]
    return bias.masked_fill(distance > 0, -1e9) if attention.is_decoder else bias


def _heads(attention: T5Attention, rows: torch.Tensor) -> torch.Tensor:
    return rows.unflatten(-1, (attention.n_heads, -1)).transpose(1, 2)


def _attend(
    attention: T5Attention, rows: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """T5 attention does not scale its scores."""
    scores = _heads(attention, attention.q(rows)) @ key.transpose(2, 3) + bias
    mixed = scores.softmax(-1) @ value
    return attention.o(mixed.transpose(1, 2).flatten(2))
