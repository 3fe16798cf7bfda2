"""QA-ViT with qavit's own reuse and folds, in PyTorch: what a careful user would write without qavit.

The layers below the first fused one run once a picture; the question's keys and values once a question; Q, K and V are
one product; the gate, the question's layer norm and its second linear map are folded into weights (exact in real
arithmetic, as in docs/architecture.md).
"""

import torch
from torch import nn

from qavit_torch import QuestionAwareVisionTower, QuestionFusing


def linear_of(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight.copy_(weight)
    linear.bias.copy_(bias)
    return linear


class FoldedQuestion(nn.Module):
    """A fused layer's keys and values of a question: [Q, K, Dq], normalised without affine, -> [Q, K, 2C]."""

    def __init__(self, attention: nn.Module, fusing: QuestionFusing):
        super().__init__()
        norm, first, _, second = fusing.instruct_dim_reduce
        self.first = linear_of(first.weight * norm.weight, first.weight @ norm.bias)
        weight = torch.cat([attention.k_proj.weight, attention.v_proj.weight])
        self.second = linear_of(weight @ second.weight, torch.cat([attention.k_proj.bias, attention.v_proj.bias]))

    def forward(self, question: torch.Tensor) -> torch.Tensor:
        return self.second(nn.functional.gelu(self.first(question)))


class FoldedLayer(nn.Module):
    def __init__(self, layer: nn.Module, heads: int, fusing: QuestionFusing | None):
        super().__init__()
        attention, self.heads = layer.self_attn, heads
        parts = (attention.q_proj, attention.k_proj, attention.v_proj)
        self.qkv = linear_of(torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts]))
        weight, bias = attention.out_proj.weight, attention.out_proj.bias
        if fusing is not None:
            gate, gated = torch.tanh(fusing.instruction_proj_gate), fusing.instruction_out_proj
            weight, bias = weight + gate * gated.weight, bias + gate * gated.bias
        self.out = linear_of(weight, bias)
        self.norm1, self.norm2, self.mlp = layer.layer_norm1, layer.layer_norm2, layer.mlp

    def forward(self, hidden: torch.Tensor, question: torch.Tensor | None = None) -> torch.Tensor:
        def split(rows: torch.Tensor) -> torch.Tensor:
            return rows.unflatten(-1, (self.heads, -1)).transpose(1, 2)

        q, k, v = self.qkv(self.norm1(hidden)).chunk(3, -1)
        if question is not None:
            question_k, question_v = question.chunk(2, -1)
            k, v = torch.cat([question_k, k], 1), torch.cat([question_v, v], 1)
        attended = nn.functional.scaled_dot_product_attention(split(q), split(k), split(v))
        hidden = hidden + self.out(attended.transpose(1, 2).flatten(2))
        return hidden + self.mlp(self.norm2(hidden))


class FoldedTower(nn.Module):
    """Normalised pixels [I, 3, S, S] and questions [Q, K, Dq] -> the tokens of all I x Q pairs, picture by picture."""

    def __init__(self, model: QuestionAwareVisionTower):
        super().__init__()
        self.embeddings, self.pre_norm = model.tower.embeddings, model.tower.pre_layrnorm
        self.first, encoder = model.fused_layers[0], model.tower.encoder.layers
        heads, fusing = model.config.num_attention_heads, model.fusing
        fused_of = [dict(fusing.items()).get(str(i)) for i in range(len(encoder))]
        self.layers = nn.ModuleList(
            FoldedLayer(layer, heads, fused) for layer, fused in zip(encoder, fused_of, strict=True)
        )
        self.questions = nn.ModuleDict(
            {str(i): FoldedQuestion(encoder[i].self_attn, fused) for i, fused in enumerate(fused_of) if fused}
        )

    def forward(self, pixels: torch.Tensor, questions: torch.Tensor) -> torch.Tensor:
        images, count = pixels.shape[0], questions.shape[0]
        hidden = self.pre_norm(self.embeddings(pixels))
        for layer in self.layers[: self.first]:
            hidden = layer(hidden)
        hidden = hidden.repeat_interleave(count, 0) if count > 1 else hidden
        heard = nn.functional.layer_norm(questions, questions.shape[-1:])
        for index, layer in enumerate(self.layers[self.first :], self.first):
            if str(index) in self.questions:
                key_values = self.questions[str(index)](heard)
                hidden = layer(hidden, key_values.repeat(images, 1, 1) if images > 1 else key_values)
            else:
                hidden = layer(hidden)
        return hidden
