"""The whole model during training: question-aware tower, projector and language model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_layers import GradientCheckpointingLayer

from qavit_torch import QuestionAwareVisionTower, selection_loss

from .data import Batch, Reading
from .picture_size import Processor

# Of an answer, unless told otherwise.
NEW_TOKENS = 30


class Answerer(nn.Module):
    """[visual ; question] in, answer out. Tower and language model read the same question.

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
        if not any(parameter.requires_grad for parameter in self.language.parameters()):
            self.language.eval()
        self.tower.tower.eval()
        return self

    def checkpoint_gradients(self) -> None:
        """Of every layer its input alone is kept; what is needed of the rest is computed again on the way back."""
        self.tower.gradient_checkpointing = True
        for module in self.language.modules():
            if isinstance(module, GradientCheckpointingLayer):
                compute_again(module)

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

    def loss(self, batch: Batch) -> torch.Tensor:
        tokens, visual = self.see(batch)
        if not self.budgets:
            return self.answer_loss(visual, batch)
        count = self.budgets[torch.randint(len(self.budgets), ()).item()]
        ratings = self.tower.rate(tokens)
        return selection_loss(lambda visual: self.answer_loss(visual, batch), visual, ratings, count)

    def answer_loss(self, visual: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Of the batch's answers, given projected tokens [B, N, E]."""
        raise NotImplementedError

    def answer(
        self,
        batch: Batch,
        tokenizer: PreTrainedTokenizerBase,
        count: int | None = None,
        max_new_tokens: int = NEW_TOKENS,
    ) -> list[str]:
        """Greedy."""
        raise NotImplementedError


def compute_again(layer: nn.Module) -> None:
    """transformers' own switch for this does nothing in a frozen model, which is in eval mode."""
    forward = layer.forward

    def keep_input(*inputs: object, **more: object) -> object:
        if not torch.is_grad_enabled():
            return forward(*inputs, **more)
        return checkpoint(forward, *inputs, use_reentrant=False, **more)

    layer.forward = keep_input


@dataclass(frozen=True)
class Setup:
    """A model to train, frozen where it does not, and what makes its batches."""

    model: Answerer
    tokenizer: PreTrainedTokenizerBase | Tokenizer  # what `model` decodes its answers with
    processor: Processor
    join: Callable[[list], Batch]
    expect_askable: Callable[[str, str], None]  # as read_samples wants it
