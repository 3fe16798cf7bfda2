"""`python -m adapter.check`: trains an adapter on pictures of two colours; the question tells which one counts."""

import contextlib
import io
import json
import random
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from fixtures.tower_folders import save_tower
from fixtures.towers import TowerSpec, build_tower
from qavit_torch import load_adapter, read_adapter_config
from qavit_torch.towers import WHOLES, see

from . import train
from .models import load_tower
from .pictures import load_processor

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 60, 220), "white": (240, 240, 240)}
SIDE = 32
STEPS = 200
SELECT_STEPS = 400  # three losses at once take longer
# That every other kind of tower trains; how far it gets is the first one's to show.
FEW_STEPS = 15
OTHERS = {
    "siglip_vision_model": {"activation": "gelu_pytorch_tanh"},
    "siglip2_vision_model": {"activation": "gelu_pytorch_tanh"},
    "vit": {"activation": "gelu"},
    "dinov2": {"activation": "gelu"},
    "dinov2_with_registers": {"activation": "gelu", "registers": 2},
    "dinov3_vit": {"activation": "gelu", "registers": 2},
    "blip_2_vision_model": {"activation": "gelu"},
    "internvl_vision": {"activation": "gelu"},
    "idefics3_vision": {"activation": "gelu_pytorch_tanh"},
    "qwen2_vl_vision": {},
    "qwen3_vl_vision": {"activation": "gelu_pytorch_tanh"},
    "qwen3_5_vision": {"activation": "gelu_pytorch_tanh"},
}
# Where whole models keep their tower; mostly that depends on the version of transformers that wrote the file.
LAYOUTS = {
    "paligemma": ["vision_tower.vision_model.", "model.vision_tower.vision_model.", "vision_tower."],
    "gemma3": ["vision_tower.vision_model.", "model.vision_tower.vision_model.", "vision_tower."],
    "blip-2": ["vision_model."],
    "instructblip": ["vision_model."],
    "internvl": ["vision_tower.", "model.vision_tower."],
    "idefics3": ["model.vision_model.", "vision_model."],
    "smolvlm": ["model.vision_model.", "vision_model."],
    "qwen2_vl": ["visual.", "model.visual."],
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


def train_adapter(folder: Path, tower: Path, data: Path, steps: int, **more: object) -> list[float]:
    """Into folder/adapter; the loss of every step."""
    arguments = {"tower": tower, "language": folder / "language", "data": data, "out": folder / "adapter"}
    arguments |= {"language-out": folder / "trained", "steps": steps, "batch": 32, "rate": 3e-3, "workers": 0} | more
    given = ([f"--{key}"] if value is True else [f"--{key}", str(value)] for key, value in arguments.items())
    return train.main([part for parts in given for part in parts])


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
        check_size(folder, data)
        check_shapes(folder, data)
        check_selector(folder, data)
        check_layouts(folder)
    print(f"adapter: the loss fell from {first:.2f} to {last:.2f}; all checks passed")


def check_selector(folder: Path, data: Path) -> None:
    """Answers from one or two of the tower's 17 tokens; a coin between the two colours is right half the time."""
    selecting = {"select": "1,2", "held-out": data, "selector-rate": 3e-2}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        train_adapter(folder, folder / "tower", data, SELECT_STEPS, **selecting)
    found = [line for line in printed.getvalue().splitlines() if line.startswith("held-out")]
    shares = [float(line.split("match ")[1].split("%")[0]) for line in found]
    assert len(shares) == 3 and min(shares) > 80, found
    stored = load_file(folder / "adapter" / "model.safetensors")["token_selector.weight"]
    assert stored.shape == (1, 48) and stored.abs().max() > 0.01, "the token selector did not move"
    print("\n".join(found))


def check_size(folder: Path, data: Path) -> None:
    """Rectangles train as squares do, and the adapter says what it was trained on."""
    for tower, size, kept in (
        ("tower", "40x24", {"width": 40, "height": 24}),
        ("dinov3_vit", "24x40", {"width": 24, "height": 40}),
        ("siglip_vision_model", "40", 40),
    ):
        losses = train_adapter(folder, folder / tower, data, FEW_STEPS, **{"image-size": size})
        assert losses[-1] < losses[0] - 0.2, f"the loss at {size} went from {losses[0]:.3f} to {losses[-1]:.3f}"
        assert read_adapter_config(folder / "adapter")["image_size"] == kept
    for size, wanted in (("7", "at least 8, a patch, for --image-size but received 7x7"), ("40x7", "received 40x7")):
        try:
            train_adapter(folder, folder / "tower", data, 1, **{"image-size": size})
        except SystemExit as end:
            assert wanted in str(end), end
        else:
            raise AssertionError(f"--image-size {size} was taken")


def check_shapes(folder: Path, data: Path) -> None:
    """Pictures of several shapes train together; the adapter says so, unless the tower's folder does."""
    shaped = folder / "shaped.jsonl"
    lines = [json.loads(line) for line in data.read_text().splitlines()]
    for i, line in enumerate(lines):
        picture = Image.open(folder / line["image"])
        line["image"] = f"shaped-{i}.png"
        picture.resize((SIDE * (1 + i % 3), SIDE)).save(folder / line["image"])
    shaped.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    for tower, most, kept in (
        ("tower", {"max-patches": 18}, {"max_patches": 18}),
        ("dinov3_vit", {"max-patches": 12, "micro-batch": 2}, {"max_patches": 12}),
        ("siglip2_vision_model", {}, None),
        ("qwen2_vl_vision", {}, None),
        ("qwen3_vl_vision", {}, None),
        ("qwen2_vl_vision", {"max-patches": 11}, {"max_patches": 11}),
    ):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            losses = train_adapter(folder, folder / tower, shaped, FEW_STEPS, **most, **{"held-out": shaped})
        assert losses[-1] < losses[0] - 0.2, f"the loss of {tower} went from {losses[0]:.3f} to {losses[-1]:.3f}"
        assert read_adapter_config(folder / "adapter").get("image_size") == kept, tower
        assert "held-out exact match" in printed.getvalue()


def check_layouts(folder: Path) -> None:
    for model_type, prefixes in LAYOUTS.items():
        for i, prefix in enumerate(prefixes):
            directory = folder / f"{model_type}-{i}"
            write_tower(TowerSpec(48, 3, 1, 96, SIDE, 8, kind=WHOLES[model_type], activation="gelu"), directory)
            own = load_file(directory / "model.safetensors")
            whole = {prefix + name: tensor for name, tensor in own.items()} | {"rest": torch.zeros(1)}
            save_file(whole, directory / "model.safetensors", metadata={"format": "pt"})
            config = directory / "config.json"
            fields = {"model_type": model_type, "vision_config": json.loads(config.read_text())}
            config.write_text(json.dumps(fields))
            tower = load_tower(directory)
            part = "embeddings" if hasattr(tower, "embeddings") else "patch_embed"
            loaded = getattr(tower, part).state_dict()
            assert all(torch.equal(value, own[f"{part}.{name}"]) for name, value in loaded.items()), directory
    # As transformers 5 saves processors, beside what older versions left.
    joint, own = directory / "processor_config.json", directory / "preprocessor_config.json"
    joint.write_text(json.dumps({"image_processor": json.loads(own.read_text()) | {"image_mean": [0.25, 0.5, 0.75]}}))
    for step in (lambda: None, own.unlink):
        step()
        assert list(load_processor(directory).image_mean) == [0.25, 0.5, 0.75]


def check_folder(folder: Path, directory: Path, moved_gate: float) -> None:
    tower = load_tower(directory)
    before = see(tower).layers[3].out.weight.clone()
    model = load_adapter(folder / "adapter", tower)
    assert read_adapter_config(folder / "adapter")["question"]["max_tokens"] == 30
    gates = [layer.instruction_proj_gate.abs().item() for layer in model.fusing.values()]
    assert model.fused_layers == [2, 3] and min(gates) > moved_gate, f"the gates did not move: {gates}"
    moved = (model.fusing["3"].instruction_out_proj.weight - before).abs().max()
    assert moved > 1e-3, "the gated projection did not move away from the frozen one"


if __name__ == "__main__":
    main()
