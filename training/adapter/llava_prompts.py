"""Questions and answers as a LLaVA is asked and answers, token for token as qavit asks it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoProcessor, AutoTokenizer

from .data import Batch, Reading, Sample, collate

# lib/models/vision-language/llava.ts has the same for folders without a chat template.
WITHOUT_TEMPLATE = "USER: {image}\n{question} ASSISTANT:"


@dataclass(frozen=True)
class LlavaBatch(Batch):
    """`labels` [B, T] are the answers and their end, -100 behind it."""

    prompts: list[torch.Tensor]  # token ids, one of them for the picture

    def to(self, device: torch.device) -> "LlavaBatch":
        plain = super().to(device)
        return LlavaBatch(*vars(plain).values(), [prompt.to(device) for prompt in self.prompts])


class Prompts:
    """`image_token` and `end_token`: ids of what stands for the picture, and of what answers end with."""

    def __init__(self, folder: Path, image_token: int, end_token: int):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token or self.tokenizer.convert_ids_to_tokens(end_token)
        self.tokenizer.truncation_side = "right"
        self.image_token, self.end_token = image_token, end_token
        self.image = self.tokenizer.convert_ids_to_tokens(image_token)
        self.processor = AutoProcessor.from_pretrained(folder)
        self.template = self.processor.chat_template or self.tokenizer.chat_template
        self.folder = folder
        self.in_parts = True
        if self.template is not None and self.text("What is this?").count(self.image) != 1:
            self.in_parts = False  # a template that wants each message as one text
        self.ids("What is this?")  # refused here, not at the first batch

    def text(self, question: str) -> str:
        if self.template is None:
            return WITHOUT_TEMPLATE.format(image=self.image, question=question)
        parts = [{"type": "image"}, {"type": "text", "text": question}]
        message = {"role": "user", "content": parts if self.in_parts else f"{self.image}\n{question}"}
        return self.processor.apply_chat_template(
            [message], chat_template=self.template, add_generation_prompt=True, tokenize=False
        )

    def split(self, text: str) -> list[int]:
        """A template that writes the beginning of the text itself must not get a second one."""
        begins = self.tokenizer.bos_token
        return self.tokenizer(text, add_special_tokens=not (begins and text.startswith(begins))).input_ids

    def ids(self, question: str) -> list[int]:
        if self.image in question:
            raise ValueError(f"Expected questions without {self.image} but received {question!r}")
        ids = self.split(self.text(question))
        if ids.count(self.image_token) != 1:
            found = ids.count(self.image_token)
            raise ValueError(f"Expected one {self.image} in the prompts of {self.folder} but received {found}")
        return ids

    def answer_ids(self, question: str, answer: str) -> list[int]:
        """As the model would go on after the prompt, and the end of the answer."""
        prompt, text = self.ids(question), self.text(question)
        gap = "" if text[-1:].isspace() else " "
        whole = self.split(f"{text}{gap}{answer}")
        # Where the answer's first letters would change the prompt's tokens, it is split by itself.
        joined = whole[: len(prompt)] == prompt and len(whole) > len(prompt)
        ids = whole[len(prompt) :] if joined else self.tokenizer(answer, add_special_tokens=False).input_ids
        return [*ids, self.end_token]


def llava_collate(prompts: Prompts, reading: Reading) -> Callable[[list], LlavaBatch]:
    plain = collate(prompts.tokenizer, reading)

    def join(rows: list[tuple[torch.Tensor, Sample, str]]) -> LlavaBatch:
        batch = plain(rows)
        said = [torch.tensor(prompts.answer_ids(sample.question, answer)) for _, sample, answer in rows]
        labels = torch.nn.utils.rnn.pad_sequence(said, batch_first=True, padding_value=-100)
        asked = [torch.tensor(prompts.ids(sample.question)) for _, sample, _ in rows]
        return LlavaBatch(batch.pixels, batch.question, batch.mask, labels, batch.answers, asked)

    return join


def end_tokens(folder: Path, config: dict) -> list[int]:
    """What ends an answer for qavit: generation_config.json's, else the model's. Trained answers end with the first."""
    file = folder / "generation_config.json"
    rules = json.loads(file.read_text()) if file.is_file() else {}
    for fields in (rules, config, config.get("text_config") or {}):
        ends = fields.get("eos_token_id")
        if ends is not None:
            return [ends] if isinstance(ends, int) else ends
    end = AutoTokenizer.from_pretrained(folder).eos_token_id
    if end is None:
        raise ValueError(f"Expected an eos_token_id in {folder} but received none")
    return [end]
