"""The whole model during training: question-aware tower, projector and language model."""

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qavit_torch import QuestionAwareVisionTower

from .data import Batch, Reading


class Answerer(nn.Module):
    """[visual ; question] in, answer out, as in the paper's ViT+T5. Tower and language model read the same tokens."""

    def __init__(
        self,
        tower: QuestionAwareVisionTower,
        language: PreTrainedModel,
        reading: Reading,
        hidden_layer: int = -1,
        keep_cls: bool = True,
    ):
        super().__init__()
        self.tower, self.language, self.reading = tower, language, reading
        self.hidden_layer, self.keep_cls = hidden_layer, keep_cls

    def question_features(self, batch: Batch) -> torch.Tensor:
        """[B, K, Dq]. Gradients flow into whatever part of the language model trains."""
        if self.reading.features == "embedding":
            return self.language.get_input_embeddings()(batch.question)
        return self.language.get_encoder()(batch.question, attention_mask=batch.mask).last_hidden_state

    def inputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        question = self.question_features(batch)
        settings = {"hidden_layer": self.hidden_layer, "keep_cls": self.keep_cls}
        _, visual = self.tower(batch.pixels, question, batch.mask, **settings)
        text = self.language.get_input_embeddings()(batch.question)
        rows = torch.cat([visual, text.to(visual.dtype)], 1)
        return {
            "inputs_embeds": rows,
            "attention_mask": torch.cat([batch.mask.new_ones(visual.shape[:2]), batch.mask], 1),
        }

    def loss(self, batch: Batch) -> torch.Tensor:
        return self.language(**self.inputs(batch), labels=batch.labels).loss

    @torch.no_grad()
    def answer(self, batch: Batch, tokenizer: PreTrainedTokenizerBase, max_new_tokens: int = 30) -> list[str]:
        """Greedy."""
        said = self.language.generate(**self.inputs(batch), max_new_tokens=max_new_tokens, do_sample=False, num_beams=1)
        return [text.strip() for text in tokenizer.batch_decode(said, skip_special_tokens=True)]
