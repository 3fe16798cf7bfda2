"""`python -m qavit_torch.check`: the reference against transformers' own towers and the paper's formulas, literally."""

import math
import resource
import sys
import tempfile
from copy import deepcopy
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.modeling_qwen2_vl import apply_rotary_pos_emb
from transformers.models.siglip2.image_processing_pil_siglip2 import convert_image_to_patches, pad_along_first_dim

from . import (
    QuestionAwareVisionTower,
    build_projector,
    build_selector,
    load_adapter,
    saliency,
    save_adapter,
    select_tokens,
    selection_loss,
    tower_class,
)
from .selection import DISTILLATION
from .tiny import SIZE, tiny_configs
from .towers import TOWERS, Map, see


def states_of(tower: PreTrainedModel, pixels: torch.Tensor, **asked: bool) -> tuple[torch.Tensor, ...]:
    """Of transformers, to which some processors give patches instead of pictures."""
    if tower.config.model_type in PATCHED:
        return PATCHED[tower.config.model_type](tower, pixels)
    return tower(pixels, output_hidden_states=True, **asked).hidden_states


def naflex_states(tower: PreTrainedModel, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """With padding behind each picture."""
    patch = tower.config.patch_size
    rows, columns = (side // patch for side in pixels.shape[2:])
    whole = pixels[:, :, : rows * patch, : columns * patch].numpy()
    padded = [pad_along_first_dim(convert_image_to_patches(picture, patch), rows * columns + 5) for picture in whole]
    patches, mask = (torch.from_numpy(np.stack(each)) for each in zip(*padded, strict=True))
    shapes = torch.tensor([[rows, columns]] * len(pixels))
    states = tower(patches, mask, shapes, output_hidden_states=True).hidden_states
    return tuple(state[:, : rows * columns] for state in states)


def qwen_states(tower: PreTrainedModel, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """All patches of all pictures in one line, those of a square beside each other; here row by row."""
    config, side = tower.config, tower.config.spatial_merge_size
    rows, columns = (edge // config.patch_size for edge in pixels.shape[2:])
    patchify = partial(Qwen2VLImageProcessorPil().patchify, merge_size=side, temporal_patch_size=2)
    # It rounds to f32.
    halves = [[patchify(half, config.patch_size)[0] for half in halves_of(picture)] for picture in pixels.numpy()]
    patches = torch.from_numpy(np.concatenate([high.astype(float) + low for high, low in halves]))
    grids = torch.tensor([[1, rows, columns]] * len(pixels))
    # Its own function for towers rounds queries and keys to f32; the one beside it, for decoders, does not.
    exact = partial(apply_rotary_pos_emb, unsqueeze_dim=-2)
    with patch.object(sys.modules[type(tower).__module__], "apply_rotary_pos_emb_vision", exact):
        states = tower(patches, grids, output_hidden_states=True).hidden_states
    places = torch.arange(rows * columns).view(rows // side, side, columns // side, side).transpose(1, 2).flatten()
    return tuple(state.unflatten(0, (len(pixels), -1))[:, places.argsort()] for state in states)


def halves_of(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    high = picture.astype(np.float32)
    return high, picture - high


QWENS = ("qwen2_vl_vision", "qwen3_vl_vision", "qwen3_vl_moe_vision", "qwen3_5_vision", "qwen3_5_moe_vision")
PATCHED = {"siglip2_vision_model": naflex_states} | dict.fromkeys(QWENS, qwen_states)


def check_plain(model: QuestionAwareVisionTower, tower: PreTrainedModel, pixels: torch.Tensor) -> None:
    states = states_of(tower, pixels)
    for hidden_layer in (-1, -2, 0, 3):
        tokens, _ = model(pixels, hidden_layer=hidden_layer)
        assert_equal(tokens, states[hidden_layer], "the plain path left the tower")
    patches = (pixels.shape[-1] // SIZE["patch_size"]) ** 2
    assert_equal(model(pixels, keep_cls=False)[0], states[-1][:, -patches:], "not the patches alone were kept")


def check_other_size(model: QuestionAwareVisionTower, tower: PreTrainedModel) -> None:
    # Some interpolate without being asked.
    unasked = ("dinov", "internvl", "idefics3", "smolvlm")
    asked = {} if tower.config.model_type.startswith(unasked) else {"interpolate_pos_encoding": True}
    # Some take whole squares of patches alone.
    square = SIZE["patch_size"] * getattr(tower.config, "spatial_merge_size", 1)
    for height, width in ((43, 43), (26, 43), (43, 26)):
        if square != SIZE["patch_size"]:
            height, width = height // square * square, width // square * square
        pixels = torch.randn(2, 3, height, width).double()
        states = states_of(tower, pixels, **asked)
        assert_equal(model(pixels)[0], states[-1], f"a picture of {width} x {height} pixels left the tower")


def check_empty(model: QuestionAwareVisionTower, pixels: torch.Tensor, question: torch.Tensor) -> None:
    plain = model(pixels)[0]
    nothing = torch.zeros(question.shape[:2], dtype=torch.bool)
    for padding in ("mask", "attend"):
        assert_equal(model(pixels, question, nothing, padding=padding)[0], plain, "an empty question is not plain")
    assert_equal(model(pixels, question[:, :0])[0], plain, "K = 0 is not plain")


def check_padding(model: QuestionAwareVisionTower, pixels: torch.Tensor, question: torch.Tensor) -> None:
    mask = torch.arange(5) < torch.tensor([[2], [5], [0]])
    masked = model(pixels, question, mask)[0]
    assert_equal(masked[:1], model(pixels[:1], question[:1, :2])[0], "masked padding is not absence")
    assert_equal(masked[1:2], model(pixels[1:2], question[1:2])[0], "a full mask is not all keys")
    attended = model(pixels, question, mask, padding="attend")[0]
    assert_equal(attended[:2], model(pixels[:2], question[:2])[0], "attended padding is not a key")
    plain = model(pixels[2:])[0]
    for found in (masked, attended):
        assert_equal(found[2:], plain, "a sample without a question is not plain beside others")


def check_fused_layer(model: QuestionAwareVisionTower, hidden: torch.Tensor, question: torch.Tensor) -> None:
    """One layer as the paper writes it: self-attention over [question ; visual] with every query, then the slice."""
    index = model.fused_layers[0]
    seen, fusing = see(model.tower), model.fusing[str(index)]
    layer = seen.layers[index]
    count = question.shape[1]
    rows = torch.cat([fusing.instruct_dim_reduce(question), layer.norm1(hidden)], 1)

    def heads(project: Map) -> torch.Tensor:
        return project(rows).reshape(*rows.shape[:2], 4, 16).permute(0, 2, 1, 3)

    asking, answering = heads(layer.q), heads(layer.k)
    if seen.rotate is not None:
        side = math.isqrt(hidden.shape[1] - seen.before_patches)
        asking, answering = seen.rotate(asking, (side, side)), seen.rotate(answering, (side, side))
    scores = asking @ answering.mT / 16**0.5
    mixed = (scores.softmax(-1) @ heads(layer.v)).permute(0, 2, 1, 3).reshape(rows.shape)[:, count:]
    projected = layer.out(mixed)
    projected = projected + fusing.instruction_proj_gate.tanh() * fusing.instruction_out_proj(mixed)
    after = hidden + layer.scale1(projected)
    expected = after + layer.scale2(layer.mlp(layer.norm2(after)))
    assert_equal(model.run_layers(hidden, index, index + 1, question), expected, "the fused layer is not the paper's")


def check_folder(model: QuestionAwareVisionTower, pixels: torch.Tensor, question: torch.Tensor) -> None:
    with tempfile.TemporaryDirectory() as directory:
        save_adapter(directory, model)
        stored = load_file(Path(directory) / "model.safetensors")
        again = load_adapter(directory, model.tower).double()
        check_replacement(Path(directory), model)
    selector = {name: tuple(tensor.shape) for name, tensor in stored.items() if "selector" in name}
    assert selector == ({} if model.token_selector is None else {"token_selector.weight": (1, 64)}), selector
    assert again.integration_point == model.integration_point and again.fused_layers == model.fused_layers
    assert_equal(again(pixels, question)[1], model(pixels, question)[1], "the adapter folder did not round-trip")
    if model.token_selector is None:
        assert again.token_selector is None, "a selector came from nowhere"
    else:
        tokens = model(pixels, question)[0]
        assert_equal(again.rate(tokens), model.rate(tokens), "the token selector did not round-trip")


def check_replacement(directory: Path, model: QuestionAwareVisionTower) -> None:
    """Files are as readable as others that this process makes, and stay what they are where new ones find no room."""
    files = [directory / "model.safetensors", directory / "config.json"]
    assert files[0].stat().st_mode == files[1].stat().st_mode, "the weights have another mode"
    before = {file: file.read_bytes() for file in files}
    other = deepcopy(model)
    for parameter in other.fusing.parameters():
        parameter.add_(1)
    # Where the weights find no room, and where they do but the configuration does not.
    weights = len(before[files[0]])
    for room, note in ((1000, ""), (weights + 1000, "x" * 2 * weights)):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
        try:
            save_adapter(directory, other, hidden_layer=-2, question={"note": note})
            raise AssertionError("a file was longer than it may be")
        except OSError:
            found = {file: file.read_bytes() for file in directory.iterdir()}
            assert found == before, "what was there is gone, or something else is left"
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def check_few(model: QuestionAwareVisionTower, pixels: torch.Tensor, question: torch.Tensor) -> None:
    """Whoever asks for few tokens gets rows of what all would have been, chosen among what is handed over."""
    tokens, projected = model(pixels, question, keep_cls=False)
    ratings = tokens @ model.token_selector.weight[0]
    few = model(pixels, question, keep_cls=False, count=3)
    for row, kept in enumerate(ratings.topk(3).indices.sort().values):
        assert_equal(few[0][row], tokens[row, kept], "not the tokens rated highest")
        assert_equal(few[1][row], projected[row, kept], "a token alone is projected otherwise")


def check_selection() -> None:
    tokens = torch.randn(4, 9, 5)
    ratings = torch.randint(3, (4, 9)).float()  # nine ratings of three values: ties in every sample
    for count in range(1, 11):
        expected = []
        for row in range(4):
            left = list(range(9))
            best = [left.pop(left.index(max(left, key=lambda i: (ratings[row, i], -i)))) for _ in range(min(count, 9))]
            expected.append(tokens[row, sorted(best)])
        assert_equal(select_tokens(tokens, ratings, count), torch.stack(expected), f"not the best {count} in order")


@torch.enable_grad()
def check_saliency() -> None:
    """Against the change of the loss when one token grows and shrinks a little; then what the ratings learn from it."""
    mix, step = torch.randn(5, 3).double(), 1e-5
    tokens = torch.randn(3, 6, 5).double()
    tokens[1, 2] = 0  # its size changes nothing
    tokens.requires_grad_()

    def losses(tokens: torch.Tensor) -> torch.Tensor:
        return (tokens @ mix).sum(1).sin().square().sum(-1)

    changes = []
    for m in range(6):
        scale = torch.ones(6, 1).double()
        scale[m] += step
        changes.append((losses(tokens * scale) - losses(tokens * (2 - scale))).abs().detach())
    expected = torch.stack(changes, 1)
    expected = expected / expected.sum(1, keepdim=True)
    found = saliency(losses(tokens).mean(), tokens)
    assert (found - expected).abs().max() < 1e-5, "the saliency is not what the size of a token changes"
    alone = saliency(losses(tokens)[0], tokens)
    assert (alone[1:] == 0).all(), "a sample without a say in the loss has salient tokens"

    ratings = torch.randn(3, 6, requires_grad=True)
    loss = selection_loss(lambda given: losses(given).mean(), tokens, ratings, 2)
    of_ratings, of_tokens = torch.autograd.grad(loss, (ratings, tokens))
    towards = DISTILLATION * (ratings.softmax(1) - expected) / 3
    assert (of_ratings - towards).abs().max() < 1e-5, "the ratings learn something else than the saliency"
    answers = losses(tokens).mean() + losses(select_tokens(tokens, ratings, 2)).mean()
    assert_equal(of_tokens, torch.autograd.grad(answers, tokens)[0], "the tokens learn something else than answers")


def assert_equal(actual: torch.Tensor, expected: torch.Tensor, otherwise: str) -> None:
    assert actual.shape == expected.shape and (actual - expected).abs().max() < 1e-12, otherwise


def random_tower(config: PreTrainedConfig) -> PreTrainedModel:
    """Far from the initial weights, which leave scales at 1 and much else at or near 0."""
    tower = tower_class(config.model_type)(config).double().eval()
    for parameter in tower.parameters():
        nn.init.normal_(parameter, mean=1.0 if parameter.dim() == 1 else 0.0, std=0.2)
    return tower


def check(config: PreTrainedConfig) -> None:
    tower = random_tower(config)
    model = QuestionAwareVisionTower(tower, 48, integration_point="late", projector=build_projector(64, 40, 2)).double()
    pixels, question = torch.randn(3, 3, 32, 32).double(), torch.randn(3, 5, 48).double()
    check_plain(model, tower, pixels)
    check_other_size(model, tower)
    plain, fused = model(pixels)[0], model(pixels, question)[0]
    assert (fused - plain).abs().max() > 1e-3, "the question changed nothing at gate 0, though its keys take part"
    for fusing in model.fusing.values():
        nn.init.normal_(fusing.instruction_out_proj.weight, std=0.1)
        nn.init.uniform_(fusing.instruction_proj_gate, 0.3, 0.9)
    check_empty(model, pixels, question)
    check_padding(model, pixels, question)
    check_fused_layer(model, torch.randn(3, see(tower).before_patches + 16, 64).double(), question)
    # Stored in f32, so that the values must be f32 before.
    check_folder(model.float().double(), pixels, question)
    model.token_selector = build_selector(64)
    nn.init.normal_(model.token_selector.weight)
    check_folder(model.double(), pixels, question)
    check_few(model, pixels, question)


@torch.no_grad()
def main() -> None:
    torch.manual_seed(0)
    check_selection()
    check_saliency()
    configs = tiny_configs()
    assert configs.keys() == TOWERS.keys(), "not every kind of tower is checked"
    for kind, config in configs.items():
        try:
            check(config)
        except AssertionError as error:
            raise AssertionError(f"{kind}: {error}") from error
    print("qavit_torch: all checks passed")


if __name__ == "__main__":
    main()
