"""`python -m qavit_torch.check`: without a question the reference is transformers' own CLIP tower, and an adapter folder round-trips."""

import tempfile

import torch
from transformers import CLIPVisionConfig, CLIPVisionModel

from . import QuestionAwareVisionTower, build_projector, load_adapter, save_adapter


def main() -> None:
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=64, intermediate_size=160, num_hidden_layers=4, num_attention_heads=4, patch_size=8, image_size=32
    )
    tower = CLIPVisionModel(config).double().eval()
    model = QuestionAwareVisionTower(tower, 48, integration_point="late", projector=build_projector(64, 40, 2)).double()
    pixels, question = torch.randn(3, 3, 32, 32).double(), torch.randn(3, 5, 48).double()
    states = tower(pixels, output_hidden_states=True).hidden_states
    for hidden_layer in (-1, -2):
        tokens, _ = model(pixels, hidden_layer=hidden_layer)
        assert torch.allclose(tokens, states[hidden_layer], atol=1e-12), "the plain path left the tower"
    empty = torch.zeros(3, 5, dtype=torch.bool)
    assert torch.allclose(model(pixels, question, empty)[0], states[-1], atol=1e-12), "an empty question is not plain"
    fused = model(pixels, question)[0]
    assert (fused - states[-1]).abs().max() > 1e-3, "the question changed nothing"
    mask = torch.arange(5)[None] < torch.tensor([[2], [5], [0]])
    ragged = model(pixels, question, mask)[0]
    alone = model(pixels[:1], question[:1, :2])[0]
    assert torch.allclose(ragged[:1], alone, atol=1e-12), "masked padding is not absence"
    for fusing in model.fusing.values():
        torch.nn.init.uniform_(fusing.instruction_proj_gate, 0.3, 0.9)
    with tempfile.TemporaryDirectory() as directory:
        save_adapter(directory, model.float())
        again = load_adapter(directory, tower.float()).double()
    assert torch.allclose(again.double()(pixels, question)[1], model.double()(pixels, question)[1], atol=1e-5)
    print("qavit_torch: all checks passed")


if __name__ == "__main__":
    main()
