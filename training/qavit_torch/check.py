"""`python -m qavit_torch.check`: the reference against transformers' own towers and the paper's formulas, literally."""

import tempfile

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from . import QuestionAwareVisionTower, build_projector, load_adapter, save_adapter, tower_class
from .tiny import SIZE, tiny_configs
from .towers import Map, see


def check_plain(model: QuestionAwareVisionTower, tower: PreTrainedModel, pixels: torch.Tensor) -> None:
    states = tower(pixels, output_hidden_states=True).hidden_states
    for hidden_layer in (-1, -2, 0, 3):
        tokens, _ = model(pixels, hidden_layer=hidden_layer)
        assert_equal(tokens, states[hidden_layer], "the plain path left the tower")
    patches = (pixels.shape[-1] // SIZE["patch_size"]) ** 2
    assert_equal(model(pixels, keep_cls=False)[0], states[-1][:, -patches:], "not the patches alone were kept")


def check_other_size(model: QuestionAwareVisionTower, tower: PreTrainedModel) -> None:
    pixels = torch.randn(2, 3, 43, 43).double()
    # DINOv2 interpolates without being asked.
    asked = {} if tower.config.model_type.startswith(("dinov2", "internvl")) else {"interpolate_pos_encoding": True}
    states = tower(pixels, output_hidden_states=True, **asked).hidden_states
    assert_equal(model(pixels)[0], states[-1], "a picture of another size left the tower")


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


def check_fused_layer(model: QuestionAwareVisionTower, hidden: torch.Tensor, question: torch.Tensor) -> None:
    """One layer as the paper writes it: self-attention over [question ; visual] with every query, then the slice."""
    index = model.fused_layers[0]
    layer, fusing = see(model.tower).layers[index], model.fusing[str(index)]
    count = question.shape[1]
    rows = torch.cat([fusing.instruct_dim_reduce(question), layer.norm1(hidden)], 1)

    def heads(project: Map) -> torch.Tensor:
        return project(rows).reshape(*rows.shape[:2], 4, 16).permute(0, 2, 1, 3)

    scores = heads(layer.q) @ heads(layer.k).mT / 16**0.5
    mixed = (scores.softmax(-1) @ heads(layer.v)).permute(0, 2, 1, 3).reshape(rows.shape)[:, count:]
    projected = layer.out(mixed)
    projected = projected + fusing.instruction_proj_gate.tanh() * fusing.instruction_out_proj(mixed)
    after = hidden + layer.scale1(projected)
    expected = after + layer.scale2(layer.mlp(layer.norm2(after)))
    assert_equal(model.run_layers(hidden, index, index + 1, question), expected, "the fused layer is not the paper's")


def check_folder(model: QuestionAwareVisionTower, pixels: torch.Tensor, question: torch.Tensor) -> None:
    with tempfile.TemporaryDirectory() as directory:
        save_adapter(directory, model)
        again = load_adapter(directory, model.tower).double()
    assert again.integration_point == model.integration_point and again.fused_layers == model.fused_layers
    assert_equal(again(pixels, question)[1], model(pixels, question)[1], "the adapter folder did not round-trip")


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
    check_fused_layer(model, torch.randn(3, 17, 64).double(), question)
    # Stored in f32, so that the values must be f32 before.
    check_folder(model.float().double(), pixels, question)


@torch.no_grad()
def main() -> None:
    torch.manual_seed(0)
    for kind, config in tiny_configs().items():
        try:
            check(config)
        except AssertionError as error:
            raise AssertionError(f"{kind}: {error}") from error
    print("qavit_torch: all checks passed")


if __name__ == "__main__":
    main()
