"""QA-ViT as its published code computes it (amazon-science/QA-ViT, on the CLIP of its transformers 4.31).

Written anew for measurements. What that code computes and throws away is computed here too: question rows ask like
visual ones, all scores stand in memory before the softmax, and those of question rows are cut off only then; both
output projections run. Plain layers are that transformers' own, which had no fused attention.
"""

import torch
from torch import nn

from qavit_torch import QuestionAwareVisionTower, QuestionFusing


class MaterialisedLayer(nn.Module):
    def __init__(self, layer: nn.Module, heads: int, fusing: QuestionFusing | None):
        super().__init__()
        self.attention, self.heads, self.fusing = layer.self_attn, heads, fusing
        self.norm1, self.norm2, self.mlp = layer.layer_norm1, layer.layer_norm2, layer.mlp
        self.scale = (self.attention.q_proj.out_features // heads) ** -0.5

    def forward(self, hidden: torch.Tensor, question: torch.Tensor) -> torch.Tensor:
        hidden = hidden + self.attend(self.norm1(hidden), question)
        return hidden + self.mlp(self.norm2(hidden))

    def attend(self, x: torch.Tensor, question: torch.Tensor) -> torch.Tensor:
        def split(rows: torch.Tensor) -> torch.Tensor:
            return rows.unflatten(-1, (self.heads, -1)).transpose(1, 2).flatten(0, 1)

        cut, visual = 0, x.shape[1]
        if self.fusing is not None:
            cut = question.shape[1]
            x = torch.cat([self.fusing.instruct_dim_reduce(question), x], 1)
        q, k, v = self.attention.q_proj(x) * self.scale, self.attention.k_proj(x), self.attention.v_proj(x)
        scores = torch.bmm(split(q), split(k).transpose(1, 2))[:, cut:]
        attended = torch.bmm(scores.softmax(-1), split(v))
        attended = attended.unflatten(0, (-1, self.heads)).transpose(1, 2).reshape(-1, visual, x.shape[-1])
        out = self.attention.out_proj(attended)
        if self.fusing is None:
            return out
        return out + self.fusing.instruction_out_proj(attended) * self.fusing.instruction_proj_gate.tanh()


class AsPublished(nn.Module):
    """Normalised pixels [B, 3, S, S] and questions [B, K, Dq] -> tokens [B, M, C]."""

    def __init__(self, model: QuestionAwareVisionTower):
        super().__init__()
        self.embeddings, self.pre_norm = model.tower.embeddings, model.tower.pre_layrnorm
        heads, fusing = model.config.num_attention_heads, dict(model.fusing.items())
        self.layers = nn.ModuleList(
            MaterialisedLayer(layer, heads, fusing.get(str(i))) for i, layer in enumerate(model.tower.encoder.layers)
        )

    def forward(self, pixels: torch.Tensor, questions: torch.Tensor) -> torch.Tensor:
        hidden = self.pre_norm(self.embeddings(pixels))
        for layer in self.layers:
            hidden = layer(hidden, questions)
        return hidden
