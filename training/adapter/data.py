"""Pictures, questions and answers from a JSONL file, as batches."""

import codecs
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import PreTrainedTokenizerBase

from qavit_torch.questions import normalize_question

from .picture_size import Processor
from .pictures import open_picture

# Half of a pair, as a cut emoji leaves it: tokenizers take no such text.
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Sample:
    image: Path
    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    # [B, 3, height, width], normalised; where pictures differ in shape, one each, [3, height, width]: see pieces().
    pixels: torch.Tensor | list[torch.Tensor]
    question: torch.Tensor  # token ids [B, K]
    mask: torch.Tensor  # bool [B, K]
    labels: torch.Tensor  # token ids [B, T], -100 where there is nothing to say
    answers: list[tuple[str, ...]]

    def to(self, device: torch.device) -> "Batch":
        tensors = (tensor.to(device) for tensor in (self.pixels, self.question, self.mask, self.labels))
        return Batch(*tensors, self.answers)

    def pieces(self, most: int) -> list["Batch"]:
        """Of at most so many samples each, and of pictures of one shape."""
        if not isinstance(self.pixels, list):
            count = len(self.answers)
            return [self.take(range(start, min(start + most, count))) for start in range(0, count, most)]
        by_shape = {}
        for i, picture in enumerate(self.pixels):
            by_shape.setdefault(picture.shape, []).append(i)
        alike = [self.take(which) for which in by_shape.values()]
        whole = [replace(batch, pixels=torch.stack(batch.pixels)) for batch in alike]
        return [piece for batch in whole for piece in batch.pieces(most)]

    def take(self, which: Sequence[int]) -> "Batch":
        """Samples by their numbers."""

        def some(field: torch.Tensor | list) -> torch.Tensor | list:
            return field[torch.tensor(which)] if isinstance(field, torch.Tensor) else [field[i] for i in which]

        return type(self)(*(some(field) for field in vars(self).values()))


def read_samples(file: Path, expect_askable: Callable[[str, str], None] | None = None) -> list[Sample]:
    """One object a line: {"image": path from the file's folder, "question": text, "answer": text or list of texts}.

    `expect_askable` raises a ValueError for a question that is not, and says where it stands.
    """
    samples = []
    # Not by splitlines(): texts may hold U+2028 and others that it takes for the end of a line.
    for number, line in enumerate(file.read_bytes().removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        if line.strip():
            where = f"{file}:{number}"
            samples.append(_sample(line, file, where))
            if expect_askable is not None:
                expect_askable(samples[-1].question, where)
    if not samples:
        raise ValueError(f"Expected at least one line in {file} but received none")
    return samples


def _sample(line: bytes, file: Path, where: str) -> Sample:
    told = line.decode(errors="replace").strip()
    try:
        fields = json.loads(line.decode())
        given = fields["answer"]
        answers = tuple(given) if isinstance(given, list) else (given,)
        sample = Sample(file.parent / fields["image"], fields["question"], answers)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected an object with image, question and answer in {where} but received {told}"
        ) from error
    if not answers or not all(isinstance(text, str) for text in (sample.question, *answers)):
        raise ValueError(f"Expected a text as question and one or more as answer in {where} but received {told}")
    if any(map(SURROGATE.search, (sample.question, *answers))):
        raise ValueError(f"Expected whole characters in {where} but received half a surrogate pair in {told}")
    if not sample.image.is_file():
        raise ValueError(f"Expected a picture for {where} but received {sample.image}, which is no file")
    return sample


class Samples(Dataset):
    """By index, with the first answer; by (index, draw), with the one that a draw of Order picks."""

    def __init__(self, samples: list[Sample], processor: Processor):
        self.samples, self.processor = samples, processor

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, which: int | tuple[int, int]) -> tuple[torch.Tensor, Sample, str]:
        index, draw = which if isinstance(which, tuple) else (which, 0)
        sample = self.samples[index]
        pixels = self.processor(open_picture(sample.image), return_tensors="pt")["pixel_values"][0]
        return pixels, sample, sample.answers[draw % len(sample.answers)]


def seed_of(*parts: int | str) -> int:
    """A seed for what `parts` name, unlike that of any other."""
    return random.Random(repr(parts)).getrandbits(63)


class Order(Sampler):
    """What the steps after the first `done` see: lists of (index, draw), every sample once an epoch.

    The seed and the step alone decide, so that a run may go on where it was, with another number of workers too.
    """

    def __init__(self, samples: int, batch: int, seed: int, steps: int, done: int = 0):
        self.samples, self.batch, self.seed, self.steps, self.done = samples, batch, seed, steps, done

    def __len__(self) -> int:
        return self.steps - self.done

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        an_epoch = -(-self.samples // self.batch)
        for step in range(self.done, self.steps):
            epoch, place = divmod(step, an_epoch)
            if place == 0 or step == self.done:
                drawn = self.epoch(epoch)
            yield drawn[place * self.batch : (place + 1) * self.batch]

    def epoch(self, number: int) -> list[tuple[int, int]]:
        generator = torch.Generator().manual_seed(seed_of(self.seed, "epoch", number))
        order = torch.randperm(self.samples, generator=generator)
        draws = torch.randint(2**62, (self.samples,), generator=generator)
        return list(zip(order.tolist(), draws.tolist(), strict=True))


@dataclass(frozen=True)
class Reading:
    """How a question becomes tokens; stored in the adapter's config.json."""

    features: str = "encoder"
    normalization: str = "qa-vit"
    max_tokens: int = 30

    def text(self, question: str) -> str:
        return normalize_question(question) if self.normalization == "qa-vit" else question

    def expect_askable(self, question: str, where: str) -> None:
        """qavit takes no others."""
        if not self.text(question).strip():
            raise ValueError(f"Expected a question that asks something in {where} but received {question!r}")

    def config(self) -> dict:
        return {"features": self.features, "normalization": self.normalization, "max_tokens": self.max_tokens}


@dataclass(frozen=True)
class Collate:
    """Not a closure: processes that are not forked, which is Python's way from 3.14 on, get it pickled."""

    tokenizer: PreTrainedTokenizerBase
    reading: Reading

    def __call__(self, rows: list[tuple[torch.Tensor, Sample, str]]) -> Batch:
        pixels, samples, answers = zip(*rows, strict=True)
        texts = [self.reading.text(sample.question) for sample in samples]
        cut = {"truncation": True, "max_length": self.reading.max_tokens}
        question = self.tokenizer(texts, padding=True, return_tensors="pt", **cut)
        said = self.tokenizer(list(answers), padding=True, return_tensors="pt")
        labels = said.input_ids.masked_fill(said.attention_mask == 0, -100)
        mask = question.attention_mask.bool()
        return Batch(together(pixels), question.input_ids, mask, labels, [sample.answers for sample in samples])


def together(pixels: Sequence[torch.Tensor]) -> torch.Tensor | list[torch.Tensor]:
    """As a batch has pictures."""
    alike = len({picture.shape for picture in pixels}) == 1
    return torch.stack(list(pixels)) if alike else list(pixels)


def loader(dataset: Samples, join: Callable[[list], Batch], batches: Iterable[list], workers: int) -> DataLoader:
    """`batches`: lists of what `dataset` is asked for."""
    return DataLoader(dataset, batch_sampler=batches, num_workers=workers, collate_fn=join)
