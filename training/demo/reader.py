"""From visual tokens and a question to an answer: the projector and the language model, the part all arms share."""

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from .language import EOS, PAD

MAX_ANSWER_TOKENS = 6


class Reader(nn.Module):
    def __init__(self, projector: nn.Module, language: T5ForConditionalGeneration):
        super().__init__()
        self.projector = projector
        self.language = language

    def question_features(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The language model's own encoder over the question alone: [B, K] -> [B, K, Dq]. Gradients flow."""
        return self.language.encoder(input_ids=ids, attention_mask=mask).last_hidden_state

    def encode(self, tokens: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """[projected tokens ; question] through the encoder: states [B, N + K, E] and their mask."""
        rows = torch.cat([tokens, self.language.shared(ids).to(tokens.dtype)], 1)
        whole = torch.cat([mask.new_ones(tokens.shape[:2]), mask], 1)
        return self.language.encoder(inputs_embeds=rows, attention_mask=whole).last_hidden_state, whole

    def loss(self, visual: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        return self.loss_from_tokens(self.projector(visual), ids, mask, answer)

    def loss_from_tokens(
        self, tokens: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, answer: torch.Tensor
    ) -> torch.Tensor:
        """`tokens` [B, N, E] are projected already, any number of them."""
        states, whole = self.encode(tokens, ids, mask)
        return self.language(encoder_outputs=BaseModelOutput(states), attention_mask=whole, labels=answer).loss

    @torch.no_grad()
    def answer(self, visual: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Greedy token ids [B, <= MAX_ANSWER_TOKENS], PAD after `</s>`."""
        states, whole = self.encode(self.projector(visual), ids, mask)
        said = ids.new_full((len(ids), 1), PAD)
        done = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
        for _ in range(MAX_ANSWER_TOKENS):
            out = self.language(
                encoder_outputs=BaseModelOutput(states), attention_mask=whole, decoder_input_ids=said, use_cache=False
            )
            best = out.logits[:, -1].argmax(-1).masked_fill(done, PAD)
            said = torch.cat([said, best[:, None]], 1)
            done |= best == EOS
            if done.all():
                break
        return said[:, 1:]


def text_of(tokenizer: Tokenizer, ids: torch.Tensor) -> list[str]:
    return tokenizer.decode_batch(ids.tolist(), skip_special_tokens=True)
