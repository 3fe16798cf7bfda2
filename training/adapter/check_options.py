"""`python -m adapter.check_options`: what a training run refuses before it begins, and what it leaves alone."""

import contextlib
import io
import json
import math
import tempfile
from pathlib import Path

import torch
from torch import nn

from fixtures.towers import TowerSpec
from qavit_torch import QuestionAwareVisionTower

from .check import SIDE, train_adapter, write_language, write_samples, write_tower
from .data import Reading
from .loop import gates
from .models import load_language, load_tower
from .t5 import T5Answerer


def complaint(folder: Path, steps: int = 1, **more: object) -> str:
    """What a run says on standard error, and why it ends if it does."""
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        try:
            train_adapter(folder, folder / "tower", folder / "samples.jsonl", steps, **more)
        except SystemExit as error:
            return f"{said.getvalue()}{error}"
    return said.getvalue()


def check_refusals(folder: Path) -> None:
    """The tower has 4 layers, of which `late` fuses 2 and 3, and makes 17 tokens of a picture."""
    for wanted, options in (
        ("for --out but received", {"out": folder / "tower" / ".." / "tower"}),
        ("for --language-out but received", {"language-out": folder / "language"}),
        ("which is --out", {"language-out": folder / "adapter"}),
        ("Expected a device that PyTorch has for --device but received gpu", {"device": "gpu"}),
        ("Expected a device that PyTorch has for --device but received cuda:99", {"device": "cuda:99"}),
        ("Expected a file for --state", {"state": folder / "tower"}),
        ("Expected a file for --state", {"state": folder / "adapter"}),
        ("argument --max-question-tokens: Expected 1 or more", {"max-question-tokens": 0}),
        ("Expected --held-out beside --evaluate-every", {"evaluate-every": 1}),
        ("argument --steps: Expected 1 or more", {"steps": 0}),
        ("argument --rate: Expected a finite number from 0", {"rate": -1e-4}),
        ("argument --gate-rate: Expected a finite number from 0", {"gate-rate": "nan"}),
        ("argument --selector-rate: Expected a finite number from 0", {"selector-rate": "inf"}),
        ("Expected at most 17 visual tokens for --select but received 18", {"select": "1,18"}),
        ("argument --image-size: Expected a whole number from 1 to 4096, or two", {"image-size": "40x"}),
        ("argument --image-size: Expected a whole number from 1 to 4096, or two", {"image-size": "4097"}),
        ("Expected --image-size beside --tower alone", {"model": folder / "tower", "image-size": "40"}),
        ("Expected --max-patches beside --tower alone", {"model": folder / "tower", "max-patches": "40"}),
        ("argument --max-patches: not allowed with argument --image-size", {"image-size": "40", "max-patches": "40"}),
        ("argument --max-patches: Expected 1 or more", {"max-patches": "0"}),
        ("Expected -5..4 for --vision-feature-layer", {"vision-feature-layer": 5}),
        ("Expected a fused layer below --vision-feature-layer 2 but received [2, 3]", {"vision-feature-layer": 2}),
    ):
        said = complaint(folder, **options)
        assert wanted in said, f"Expected {wanted!r} but received {said!r}"
        assert not (folder / "adapter").exists(), f"{options} trained"


def check_questions(folder: Path) -> None:
    file = folder / "samples.jsonl"
    whole = file.read_text()
    for question, options in (("  ", {}), ('"!"', {}), ("\t", {"normalization": "none"})):
        line = json.dumps({"image": "0.png", "question": question, "answer": "red"})
        file.write_text(f"{whole}{line}\n")
        said = complaint(folder, **options)
        assert f"Expected a question that asks something in {file}:17" in said, said
    file.write_text(whole)


def check_ends(folder: Path) -> None:
    file = folder / "language" / "tokenizer.json"
    whole = file.read_text()
    file.write_text(json.dumps(json.loads(whole) | {"post_processor": None}))
    said = complaint(folder)
    assert "Expected texts to end with token 1 by the tokenizer" in said, said
    file.write_text(whole)


def check_picture(folder: Path) -> None:
    """Told in a line, whichever process meets it."""
    picture = folder / "0.png"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:60])
    for workers in (0, 2):
        said = complaint(folder, workers=workers).rpartition("adapter.train: ")[2]
        assert said.startswith(f"Expected a picture that can be read for {picture}") and "\n" not in said, said
    picture.write_bytes(whole)


def check_warning(folder: Path) -> None:
    said = complaint(folder, **{"vision-feature-layer": -2})
    assert "warning: fused layers 3 do not train: --vision-feature-layer -2 lies below" in said, said
    assert "warning" not in complaint(folder)


def check_seed(folder: Path) -> None:
    """Answers are drawn from lists; without workers that is done in this process."""
    file = folder / "samples.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    answers = ["red", "green", "blue", "white"]
    file.write_text("".join(json.dumps(line | {"answer": answers}) + "\n" for line in lines))
    first, second = (train_adapter(folder, folder / "tower", file, 3) for _ in range(2))
    assert first == second, f"the same seed gave {first} and {second}"


def check_modes(folder: Path) -> None:
    tower, language = load_tower(folder / "tower"), load_language(folder / "language")
    fused = QuestionAwareVisionTower(tower, language.config.hidden_size, projector=nn.Sequential(nn.Dropout()))
    model = T5Answerer(fused, language, Reading())
    for trains in (True, False):
        language.requires_grad_(trains)
        model.train()
        assert all(module.training is trains for module in language.modules())
        assert not any(module.training for module in fused.tower.modules())
        assert all(module.training for module in (*fused.fusing.modules(), *fused.translation_mlp.modules()))
        model.eval()
        assert not any(module.training for module in model.modules())
    fused.fusing["2"].instruction_proj_gate.data.fill_(1.0)
    assert gates(model) == f"2:{math.tanh(1):+.3f} 3:+0.000", gates(model)


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tower(TowerSpec(width=48, heads=3, layers=4, mlp=96, image=SIDE, patch=8), folder / "tower")
        write_language(folder / "language")
        write_samples(folder, 8)
        check_modes(folder)
        check_refusals(folder)
        check_questions(folder)
        check_ends(folder)
        check_picture(folder)
        check_warning(folder)
        check_seed(folder)
    print("options: all checks passed")


if __name__ == "__main__":
    main()
