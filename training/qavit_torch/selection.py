"""Fewer visual tokens for the language model: the ones the adapter rates highest.

A token selector is one row w [1, C]; the rating of visual token m is w . h_m, where h_m is what the projector reads.
h_m comes out of the question-aware layers, so which tokens are kept depends on the question. It learns without labels,
from what the language model makes of all tokens: how much each mattered for the answer.

Shapes: B batch, N visual tokens handed over, C tower width, E language-model width.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

# Weight of the ratings' loss beside the answers' losses.
DISTILLATION = 0.5


def build_selector(width: int) -> nn.Linear:
    """[.., C] -> [.., 1]. Starts from 0: every token rated alike."""
    selector = nn.Linear(width, 1, bias=False)
    nn.init.zeros_(selector.weight)
    return selector


def select_tokens(tokens: torch.Tensor, ratings: torch.Tensor, count: int) -> torch.Tensor:
    """Of tokens [B, N, ..] the `count` with the highest ratings [B, N], in their original order.

    Of equal ratings the lower index goes first. All tokens where there are no more than `count`.
    """
    if count < 1:
        raise ValueError(f"Expected at least 1 token to keep but received {count}")
    # Only a stable sort says which of two equal ratings goes first; topk does not.
    best = ratings.sort(dim=1, descending=True, stable=True).indices[:, :count]
    kept = best.sort(dim=1).values
    return tokens[torch.arange(len(tokens), device=tokens.device)[:, None], kept]


def saliency(loss: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """|sum_e dL/dt_me t_me| of tokens [B, N, E], normalised to sum 1 over each sample's tokens: [B, N], detached.

    To first order, by how much the loss L changes if token m is scaled down to nothing.
    """
    (gradient,) = torch.autograd.grad(loss, tokens, retain_graph=True)
    change = (gradient.float() * tokens.detach().float()).sum(-1).abs()
    # 0 for a sample to whose loss no token contributes.
    return change / change.sum(-1, keepdim=True).clamp(min=torch.finfo(change.dtype).tiny)


def selection_loss(
    answer_loss: Callable[[torch.Tensor], torch.Tensor], tokens: torch.Tensor, ratings: torch.Tensor, count: int
) -> torch.Tensor:
    """What trains a selector beside the rest: answers from all tokens, answers from the best `count`, the ratings.

    `answer_loss` takes projected tokens [B, any number, E]; `tokens` [B, N, E] are all of them, `ratings` [B, N].
    """
    loss = answer_loss(tokens)
    ratings = ratings.float()
    distilled = F.cross_entropy(ratings, saliency(loss, tokens))
    return loss + answer_loss(select_tokens(tokens, ratings, count)) + DISTILLATION * distilled
