"""QA-ViT's fusing on any vision tower of towers.py, in plain PyTorch.

Source: Ganz et al., "Question Aware Vision Transformer for Multimodal Reasoning", CVPR 2024, arXiv 2402.05472,
section 3. Written to be read: it is the specification that the native code is held to, and what adapters
are trained with.

Shapes: B batch, M visual tokens (class token included), N of them handed over, K question tokens, C tower width,
H heads, D head width, Dq question width, E language-model width, L layers.
"""

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from .layers import integration_layers
from .selection import select_tokens
from .towers import Grid, Layer, Tower, grid_of, see


class QuestionFusing(nn.Module):
    """What one fused layer adds: the question's way to the tower's width, a second output projection, and its gate."""

    def __init__(self, question_width: int, out_projection: nn.Linear):
        super().__init__()
        width = out_projection.in_features
        self.instruct_dim_reduce = nn.Sequential(
            nn.LayerNorm(question_width),
            nn.Linear(question_width, width, bias=False),
            nn.GELU(),
            nn.Linear(width, width, bias=False),
        )
        self.instruction_out_proj = nn.Linear(width, width)
        self.instruction_out_proj.load_state_dict(out_projection.state_dict())
        self.instruction_proj_gate = nn.Parameter(torch.zeros(1))


def build_projector(width: int, language_width: int, layers: int, activation: str = "relu") -> nn.Sequential:
    """`translation_mlp`: one linear map, or Linear -> activation -> Linear."""
    if layers == 1:
        return nn.Sequential(nn.Linear(width, language_width))
    if layers != 2 or activation not in ("relu", "gelu"):
        raise ValueError(f"Expected 1 layer, or 2 with relu or gelu, but received {layers} with {activation}")
    between = nn.ReLU() if activation == "relu" else nn.GELU()
    return nn.Sequential(nn.Linear(width, language_width), between, nn.Linear(language_width, language_width))


class QuestionAwareVisionTower(nn.Module):
    """A frozen tower whose chosen layers also attend to the question.

    `layers` (explicit) or `integration_point` (a name of `integration_layers`) says which. `projector` maps C to E;
    None hands over the tower's tokens alone. `token_selector` (see selection.py) rates the tokens for who wants few.
    """

    def __init__(
        self,
        tower: PreTrainedModel,
        question_width: int,
        *,
        integration_point: str | None = None,
        layers: Sequence[int] | None = None,
        projector: nn.Sequential | None = None,
        token_selector: nn.Linear | None = None,
    ):
        super().__init__()
        # transformers moved the transformer one level up in 5.x; both carry the same modules.
        self.tower = getattr(tower, "vision_model", tower).requires_grad_(False)
        self.config = self.tower.config
        self.question_width = question_width
        self.integration_point = (integration_point or "late") if layers is None else None
        which = self.integration_point if layers is None else layers
        layers = see(self.tower).layers
        self.depth = len(layers)
        self.fused_layers = integration_layers(which, self.depth)
        self.fusing = nn.ModuleDict({str(i): QuestionFusing(question_width, layers[i].out) for i in self.fused_layers})
        self.translation_mlp = projector
        self.token_selector = token_selector
        # Of every layer its input alone is kept; what gradients need of the rest is computed again.
        self.gradient_checkpointing = False

    def adapter_parameters(self) -> list[nn.Parameter]:
        """Everything that trains: the frozen tower excluded."""
        optional = [module for module in (self.translation_mlp, self.token_selector) if module is not None]
        return [*self.fusing.parameters(), *(p for module in optional for p in module.parameters())]

    def embed(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """[B, 3, height, width] normalised pixels -> the residual stream before layer 0, [B, M, C]."""
        return see(self.tower).embed(pixel_values)

    def run_layers(
        self,
        hidden: torch.Tensor,
        start: int,
        stop: int,
        question: torch.Tensor | None = None,
        question_mask: torch.Tensor | None = None,
        padding: str = "mask",
        grid: Grid | None = None,
    ) -> torch.Tensor:
        """Layers start..stop-1 of the residual stream [B, M, C], of a `grid` of patches, a square unless given.

        `question` [B, K, Dq]; `question_mask` [B, K], true for real tokens. With padding='mask' padded rows are no
        keys; with 'attend' they act as keys, as the published code has it. A sample without any real row goes through
        the plain tower.
        """
        if padding not in ("mask", "attend"):
            raise ValueError(f"Expected padding 'mask' or 'attend' but received {padding!r}")
        if question is not None and question.shape[1] == 0:
            question = None
        keep = None
        if question is not None and question_mask is not None:
            keep = question_mask.bool()
            if padding == "attend":
                keep = keep.any(1, keepdim=True).expand_as(keep)
        seen = see(self.tower)
        side = math.isqrt(hidden.shape[1] - seen.before_patches)
        grid = grid or (side, side)
        for index in range(start, stop):
            fusing = self.fusing[str(index)] if str(index) in self.fusing and question is not None else None
            inputs = (hidden, seen, index, grid, fusing, question, keep)
            if self.gradient_checkpointing and torch.is_grad_enabled():
                hidden = checkpoint(self._layer, *inputs, use_reentrant=False, preserve_rng_state=False)
            else:
                hidden = self._layer(*inputs)
        return hidden

    def rate(self, tokens: torch.Tensor) -> torch.Tensor:
        """The selector's ratings [B, N] of tower tokens [B, N, C]."""
        if self.token_selector is None:
            raise ValueError("Expected an adapter with a token selector but received one without")
        # No matrix product: autocast would round it to bfloat16, and ratings would tie that do not.
        return (tokens * self.token_selector.weight).sum(-1)

    def forward(
        self,
        pixel_values: torch.Tensor,
        question: torch.Tensor | None = None,
        question_mask: torch.Tensor | None = None,
        *,
        padding: str = "mask",
        hidden_layer: int = -1,
        keep_cls: bool = True,
        count: int | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Tower tokens [B, N, C] and projected tokens [B, N, E] (None without a projector).

        `hidden_layer` counts as in transformers' hidden_states: 0 is the input of layer 0, -1 the output of the last
        layer. No final norm. Layers above it are not computed. Without `keep_cls` registers are dropped too. `count`:
        hand over only so many tokens, those the selector rates highest.
        """
        states = self.depth + 1
        if not -states <= hidden_layer < states:
            raise ValueError(f"Expected a hidden layer in {-states}..{states - 1} but received {hidden_layer}")
        stop = hidden_layer % states
        grid = grid_of(self.config, pixel_values)
        hidden = self.run_layers(self.embed(pixel_values), 0, stop, question, question_mask, padding, grid)
        tokens = hidden if keep_cls else hidden[:, see(self.tower).before_patches :]
        if count is not None:
            tokens = select_tokens(tokens, self.rate(tokens), count)
        return tokens, None if self.translation_mlp is None else self.translation_mlp(tokens)

    def _layer(
        self,
        hidden: torch.Tensor,
        tower: Tower,
        index: int,
        grid: Grid,
        fusing: QuestionFusing | None,
        question: torch.Tensor | None,
        keep: torch.Tensor | None,
    ) -> torch.Tensor:
        layer = tower.layers[index]
        # LayerScale multiplies the gated sum, as it does the frozen projection.
        hidden = hidden + layer.scale1(self._attention(tower, layer, layer.norm1(hidden), grid, fusing, question, keep))
        return hidden + layer.scale2(layer.mlp(layer.norm2(hidden)))

    def _attention(
        self,
        tower: Tower,
        layer: Layer,
        x: torch.Tensor,
        grid: Grid,
        fusing: QuestionFusing | None,
        question: torch.Tensor | None,
        keep: torch.Tensor | None,
    ) -> torch.Tensor:
        heads = self.config.num_attention_heads

        def split(rows: torch.Tensor) -> torch.Tensor:
            return rows.unflatten(-1, (heads, -1)).transpose(1, 2)

        rows, visible = x, None
        if fusing is not None:
            # The question's rows do not go through norm1, and only visual rows ask: what a question row would
            # receive is never used.
            rows = torch.cat([fusing.instruct_dim_reduce(question), x], 1)
            if keep is not None:
                visible = torch.cat([keep, keep.new_ones(x.shape[:2])], 1)[:, None, None]
        q, k, v = split(layer.q(x)), split(layer.k(rows)), split(layer.v(rows))
        if tower.rotate is not None:
            # A question's keys have no place in the picture, as the class token's has none.
            q, k = tower.rotate(q, grid), tower.rotate(k, grid)
        # softmax(q k^T / sqrt(D)) v over K + M keys.
        attended = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=visible)
        attended = attended.transpose(1, 2).flatten(2)
        out = layer.out(attended)
        if fusing is None:
            return out
        gated = torch.tanh(fusing.instruction_proj_gate) * fusing.instruction_out_proj(attended)
        if keep is not None:
            # Without a single real question token there is no question: P alone.
            gated = gated * keep.any(1).to(gated.dtype)[:, None, None]
        return out + gated
