"""The language model: a word-level tokenizer and a small T5, both in Hugging Face's formats."""

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import T5Config, T5ForConditionalGeneration

from qavit_torch.questions import normalize_question

from .questions import words
from .settings import Settings

PAD, EOS, UNKNOWN = 0, 1, 2
MAX_QUESTION_TOKENS = 30


def build_tokenizer() -> Tokenizer:
    vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *words()])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", EOS)])
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return tokenizer


def build_language(settings: Settings) -> T5ForConditionalGeneration:
    size = len(build_tokenizer().get_vocab())
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=-(-size // 8) * 8,
            d_model=settings.language_width,
            d_kv=32,
            d_ff=2 * settings.language_width,
            num_heads=settings.language_width // 32,
            num_layers=settings.language_layers,
            num_decoder_layers=settings.language_layers,
            feed_forward_proj="relu",
            dropout_rate=0.0,
            decoder_start_token_id=PAD,
            pad_token_id=PAD,
            eos_token_id=EOS,
            attn_implementation="eager",  # a fifth faster than fused attention on a CPU, at this size
        )
    )


def tokenize(
    tokenizer: Tokenizer, texts: list[str], limit: int = MAX_QUESTION_TOKENS
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, int64 [B, K], padded to the longest; `</s>` stays last where `limit` cuts."""
    rows = [tokenizer.encode(normalize_question(text)).ids for text in texts]
    rows = [row if len(row) <= limit else [*row[: limit - 1], EOS] for row in rows]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask
