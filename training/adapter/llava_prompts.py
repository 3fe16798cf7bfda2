"""Questions and answers as a LLaVA or SmolVLM is asked and answers, token for token as qavit asks it."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from jinja2 import TemplateError
from tokenizers import Tokenizer
from transformers import AutoTokenizer, ProcessorMixin

from .data import Batch, Reading, Sample, together
from .families import Family

# To see whether a template takes messages in parts, and what it writes behind an answer.
QUESTION = "What is this?"
ANSWER = "A thing."


@dataclass(frozen=True)
class LlavaBatch(Batch):
    """`labels` [B, T] are the answers and their end, -100 behind it."""

    prompts: list[torch.Tensor]  # token ids, one of them for the picture

    def to(self, device: torch.device) -> "LlavaBatch":
        plain = super().to(device)
        return LlavaBatch(*vars(plain).values(), [prompt.to(device) for prompt in self.prompts])


class Prompts:
    """Tokens are those of tokenizer.json, which is what qavit reads.

    `image_token`: the id of what stands for the picture; `ends`: those of what ends an answer.
    """

    def __init__(self, folder: Path, config: dict, family: Family, image_token: int, ends: list[int]):
        if not (folder / "tokenizer.json").is_file():
            raise ValueError(f"Expected a tokenizer.json in {folder} but received none")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.folder, self.image_token = folder, image_token
        self.image = self.tokenizer.id_to_token(image_token)
        if self.image is None:
            raise ValueError(f"Expected a token {image_token} in the tokenizer of {folder} but received none")
        # The processor's template without the processor: pictures are prepared elsewhere, and SmolVLM's wants packages.
        self.renderer = AutoTokenizer.from_pretrained(folder)
        template = ProcessorMixin.get_processor_dict(folder)[0].get("chat_template") or self.renderer.chat_template
        self.template = template.get("default") if isinstance(template, dict) else template
        self.begins = self.renderer.bos_token
        self.plain = config.get("prompt_template")
        # A prompt_template writes all that it wants.
        around = "{image}" if self.plain is not None else family.around
        self.picture = around.replace("{image}", self.image)
        self.in_templates = self.image
        if self.plain is None and self.template is None:
            self.plain = family.without_template.replace("{image}", self.image)
        elif self.plain is None:
            self.in_templates = family.in_templates or self.image
        self.begun = self.plain is not None and family.begun
        self.in_parts = True
        self.in_parts = self.plain is not None or self.takes_parts()
        self.ids(QUESTION)  # refused here, not at the first batch
        self.end_token = self.own_end(ends)

    def takes_parts(self) -> bool:
        """Other templates want each message as one text, and some fail where it is none."""
        try:
            return self.chat(QUESTION).count(self.in_templates) == 1
        except ValueError:
            return False

    def text(self, question: str) -> str:
        if self.plain is not None:
            return self.plain.replace("{question}", question, 1)
        return self.chat(question)

    def chat(self, question: str, answer: str | None = None) -> str:
        """What the template makes of a question, up to where the answer begins, or of both."""
        told = [("user", f"{self.in_templates}\n{question}", [{"type": "image"}, {"type": "text", "text": question}])]
        if answer is not None:
            told.append(("assistant", answer, [{"type": "text", "text": answer}]))
        messages = [{"role": role, "content": parts if self.in_parts else whole} for role, whole, parts in told]
        try:
            return self.renderer.apply_chat_template(
                messages, chat_template=self.template, add_generation_prompt=answer is None, tokenize=False
            )
        except (TemplateError, TypeError) as error:
            raise ValueError(
                f"Expected a chat template that takes a question in {self.folder} but received {error}"
            ) from error

    def own_end(self, ends: list[int]) -> int:
        """Of `ends` the one that the template writes behind an answer, which is what the model says; else the first."""
        if self.plain is None:
            behind = self.chat(QUESTION, ANSWER).rpartition(ANSWER)[2]
            for token in self.tokenizer.encode(behind, add_special_tokens=False).ids:
                if token in ends:
                    return token
        return ends[0]

    def split(self, text: str) -> list[int]:
        """A chat template that writes the beginning of the text itself must not get a second one."""
        begun = self.begun or (self.plain is None and bool(self.begins) and text.startswith(self.begins))
        whole = text.replace(self.in_templates, self.picture, 1)
        return self.tokenizer.encode(whole, add_special_tokens=not begun).ids

    def expect_askable(self, question: str, where: str) -> None:
        for mark in (self.image, self.in_templates):
            if mark in question:
                raise ValueError(f"Expected a question without {mark} in {where} but received {question!r}")

    def ids(self, question: str) -> list[int]:
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
        alone = self.tokenizer.encode(f"{gap}{answer}", add_special_tokens=False).ids
        return [*(whole[len(prompt) :] if joined else alone), self.end_token]

    def question_ids(self, question: str, most: int) -> list[int]:
        """On their way to the tower: special tokens stay, the text's right end is cut."""
        self.tokenizer.enable_truncation(most)
        ids = self.tokenizer.encode(question).ids
        self.tokenizer.no_truncation()
        return ids


@dataclass(frozen=True)
class LlavaCollate:
    prompts: Prompts
    reading: Reading

    def __call__(self, rows: list[tuple[torch.Tensor, Sample, str]]) -> LlavaBatch:
        pad, prompts, reading = torch.nn.utils.rnn.pad_sequence, self.prompts, self.reading
        pixels, samples, answers = zip(*rows, strict=True)
        heard = [prompts.question_ids(sample.question, reading.max_tokens) for sample in samples]
        heard = [torch.tensor(ids, dtype=torch.long) for ids in heard]
        mask = pad([torch.ones_like(ids, dtype=torch.bool) for ids in heard], batch_first=True)
        said = [prompts.answer_ids(sample.question, answer) for sample, answer in zip(samples, answers, strict=True)]
        labels = pad([torch.tensor(ids) for ids in said], batch_first=True, padding_value=-100)
        asked = [torch.tensor(prompts.ids(sample.question)) for sample in samples]
        told = [sample.answers for sample in samples]
        return LlavaBatch(together(pixels), pad(heard, batch_first=True), mask, labels, told, asked)


def end_tokens(folder: Path, config: dict) -> list[int]:
    """What ends an answer for qavit: generation_config.json's, else the model's."""
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
