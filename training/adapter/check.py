"""`python -m adapter.check`: trains an adapter on pictures of two colours; the question tells which one counts."""

import json
import random
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from fixtures.tower_folders import save_tower
from fixtures.towers import TowerSpec, build_tower
from qavit_torch import load_adapter, read_adapter_config
from qavit_torch.towers import see

from . import train

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 60, 220), "white": (240, 240, 240)}
SIDE = 32
STEPS = 200
# That every other kind of tower trains; how far it gets is the first one's to show.
FEW_STEPS = 15
OTHERS = {
    "siglip_vision_model": {"activation": "gelu_pytorch_tanh"},
    "vit": {"activation": "gelu"},
    "dinov2": {"activation": "gelu"},
    "dinov2_with_registers": {"activation": "gelu", "registers": 2},
    "blip_2_vision_model": {"activation": "gelu"},
    "internvl_vision": {"activation": "gelu"},
}


def write_language(directory: Path) -> None:
    words = ["<pad>", "</s>", "<unk>", "what", "colour", "is", "on", "the", "left", "right", "?", *COLOURS]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(directory)
    config = T5Config(vocab_size=len(words), d_model=48, d_kv=16, d_ff=96, num_heads=3, num_layers=1)
    config.dropout_rate, config.decoder_start_token_id = 0.0, 0
    T5ForConditionalGeneration(config).save_pretrained(directory)


def write_samples(directory: Path, count: int) -> Path:
    lines = []
    for i in range(count):
        sides = dict(zip(("left", "right"), random.sample(sorted(COLOURS), 2), strict=True))
        picture = np.zeros((SIDE, SIDE, 3), np.uint8)
        picture[:, : SIDE // 2], picture[:, SIDE // 2 :] = (COLOURS[colour] for colour in sides.values())
        Image.fromarray(picture).save(directory / f"{i}.png")
        for side, colour in sides.items():
            question = f"What colour is on the {side}?"
            lines.append(json.dumps({"image": f"{i}.png", "question": question, "answer": [colour]}))
    file = directory / "samples.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return file


def train_adapter(folder: Path, tower: Path, data: Path, steps: int) -> list[float]:
    """Into folder/adapter; the loss of every step."""
    arguments = {"tower": tower, "language": folder / "language", "data": data, "out": folder / "adapter"}
    arguments |= {"language-out": folder / "trained", "steps": steps, "batch": 32, "rate": 3e-3, "workers": 0}
    return train.main([part for key, value in arguments.items() for part in (f"--{key}", str(value))])


def write_tower(spec: TowerSpec, directory: Path) -> None:
    with torch.no_grad():
        save_tower(spec, build_tower(spec), directory)


def main() -> None:
    random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)  # at this size threads wait for each other more than they work
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tower(TowerSpec(width=48, heads=3, layers=4, mlp=96, image=SIDE, patch=8), folder / "tower")
        write_language(folder / "language")
        data = write_samples(folder, 64)
        losses = train_adapter(folder, folder / "tower", data, STEPS)
        first, last = np.mean(losses[:10]), np.mean(losses[-10:])
        # Half of an answer's tokens are `</s>` and certain: guessing among four colours costs ln 4 / 2 = 0.69, tossing
        # a coin between the two in the picture ln 2 / 2 = 0.35.
        assert last < 0.2 < 1 < first, f"the loss went from {first:.3f} to {last:.3f}"
        check_folder(folder, folder / "tower", 0.01)
        for kind, fields in OTHERS.items():
            tower = folder / kind
            write_tower(TowerSpec(48, 3, 4, 96, SIDE, 8, kind=kind, **fields), tower)
            losses = train_adapter(folder, tower, data, FEW_STEPS)
            assert losses[-1] < losses[0] - 0.2, f"the loss on {kind} went from {losses[0]:.3f} to {losses[-1]:.3f}"
            check_folder(folder, tower, 0)  # they start at exactly that
    print(f"adapter: the loss fell from {first:.2f} to {last:.2f}; all checks passed")


def check_folder(folder: Path, directory: Path, moved_gate: float) -> None:
    tower = train.load_tower(directory)
    before = see(tower).layers[3].out.weight.clone()
    model = load_adapter(folder / "adapter", tower)
    assert read_adapter_config(folder / "adapter")["question"]["max_tokens"] == 30
    gates = [layer.instruction_proj_gate.abs().item() for layer in model.fusing.values()]
    assert model.fused_layers == [2, 3] and min(gates) > moved_gate, f"the gates did not move: {gates}"
    moved = (model.fusing["3"].instruction_out_proj.weight - before).abs().max()
    assert moved > 1e-3, "the gated projection did not move away from the frozen one"


if __name__ == "__main__":
    main()
