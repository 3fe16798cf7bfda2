"""The whole model during training: question-aware tower, projector and language model."""

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qavit_torch import QuestionAwareVisionTower, selection_loss

from .data import Batch, Reading


class Answerer(nn.Module):
    """[visual ; question] in, answer out, as in the paper's ViT+T5. Tower and language model read the same tokens.

    `budgets`: how many visual tokens the language model should also learn to answer from, one of them drawn for each
    batch; the tower has a token selector then.
    """

    def __init__(
        self,
        tower: QuestionAwareVisionTower,
        language: PreTrainedModel,
        reading: Reading,
        hidden_layer: int = -1,
        keep_cls: bool = True,
        budgets: Sequence[int] = (),
    ):
        super().__init__()
        self.tower, self.language, self.reading = tower, language, reading
        self.hidden_layer, self.keep_cls, self.budgets = hidden_layer, keep_cls, budgets

    def train(self, mode: bool = True) -> "Answerer":
        """Dropout is for what trains: what is frozen computes as it will in qavit."""
        super().train(mode)
        self.tower.tower.eval()
        if not any(parameter.requires_grad for parameter in self.language.parameters()):
            self.language.eval()
        return self

    def question_features(self, batch: Batch) -> torch.Tensor:
        """[B, K, Dq]. Gradients flow into whatever part of the language model trains."""
        if self.reading.features == "embedding":
            return self.language.get_input_embeddings()(batch.question)
        return self.language.get_encoder()(batch.question, attention_mask=batch.mask).last_hidden_state

    def see(self, batch: Batch, count: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Tower tokens [B, N, C] and projected tokens [B, N, E]: all, or the `count` rated highest."""
        question = self.question_features(batch)
        settings = {"hidden_layer": self.hidden_layer, "keep_cls": self.keep_cls, "count": count}
        return self.tower(batch.pixels, question, batch.mask, **settings)

    def inputs(self, visual: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        """What the language model reads, of projected tokens [B, N, E]."""
        text = self.language.get_input_embeddings()(batch.question)
        rows = torch.cat([visual, text.to(visual.dtype)], 1)
        return {
            "inputs_embeds": rows,
            "attention_mask": torch.cat([batch.mask.new_ones(visual.shape[:2]), batch.mask], 1),
        }

    def loss(self, batch: Batch) -> torch.Tensor:
        tokens, visual = self.see(batch)

        def answer_loss(visual: torch.Tensor) -> torch.Tensor:
            return self.language(**self.inputs(visual, batch), labels=batch.labels).loss

        if not self.budgets:
            return answer_loss(visual)
        count = self.budgets[torch.randint(len(self.budgets), ()).item()]
        return selection_loss(answer_loss, visual, self.tower.rate(tokens), count)

    @torch.no_grad()
    def answer(
        self, batch: Batch, tokenizer: PreTrainedTokenizerBase, count: int | None = None, max_new_tokens: int = 30
    ) -> list[str]:
        """Greedy."""
        _, visual = self.see(batch, count)
        settings = {"max_new_tokens": max_new_tokens, "do_sample": False, "num_beams": 1}
        said = self.language.generate(**self.inputs(visual, batch), **settings)
        return [text.strip() for text in tokenizer.batch_decode(said, skip_special_tokens=True)]
