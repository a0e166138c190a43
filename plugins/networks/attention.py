"""Transformer encoder for sequences (Vaswani et al. 2017, arXiv:1706.03762).

Shapes: B batch · T time · F input features · H hidden units · N heads · D = H / N units of a head.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ablate.kit import Kit, any_leading_dims
from ablate.techniques import DataSpec, Position

from .readout import readout
from .stepwise import Stepwise


class SelfAttention(nn.Module):
    """Every step sees all steps: softmax(Q Kᵀ / √D) V in each of ``heads``, side by side, then a projection.

    Q, K, V and the projection are linear without biases, as in the paper.
    """

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        # Layers by themselves, and not one of three times the size: techniques act on each alone.
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.key = nn.Linear(hidden, hidden, bias=False)
        self.value = nn.Linear(hidden, hidden, bias=False)
        self.project = nn.Linear(hidden, hidden, bias=False)

    def weights(self, x: Tensor) -> Tensor:
        """Return how much each step (first T) sees of each (last T), (B, N, T, T); each row sums to 1."""
        query, key = self._split(self.query(x)), self._split(self.key(x))
        scores: Tensor = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        return scores.softmax(-1)

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, T, H)."""
        seen = self.weights(x) @ self._split(self.value(x))  # (B, N, T, D)
        out: Tensor = self.project(seen.transpose(-3, -2).flatten(-2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """Return the heads apart: (B, T, H) → (B, N, T, D)."""
        return x.view(*x.shape[:-1], self.heads, -1).transpose(-3, -2)


class SubLayer(nn.Module):
    """A residual branch with its normalisation, pre: x + branch(norm(x)), post: norm(x + branch(x))."""

    def __init__(self, norm: nn.Module, branch: nn.Module, position: Position) -> None:
        super().__init__()
        self.norm = norm
        self.branch = branch
        self.pre = position is Position.pre

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, T, H)."""
        out: Tensor = x + self.branch(self.norm(x)) if self.pre else self.norm(x + self.branch(x))
        return out


def sinusoids(length: int, hidden: int) -> Tensor:
    """Return (T, H) in float64: the sine (even units) and cosine (odd ones) of t / 10000^(2⌊h/2⌋ / H)."""
    unit = torch.arange(hidden, dtype=torch.float64)
    angle = torch.arange(length)[:, None] / 10000 ** ((unit - unit % 2) / hidden)
    return torch.where(unit % 2 == 0, angle.sin(), angle.cos())


class Positions(nn.Module):
    """Adds to every step a vector of its own, fixed sinusoids or learned from zero on: keeps (B, T, H)."""

    vectors: Tensor

    def __init__(self, length: int, hidden: int, learned: bool) -> None:
        super().__init__()
        if learned:
            self.vectors = nn.Parameter(torch.zeros(length, hidden))
        else:
            fixed = sinusoids(length, hidden).to(torch.get_default_dtype())
            self.register_buffer("vectors", fixed, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum."""
        return x + self.vectors


class Encoder(nn.Module):
    """Linear input, positions, ``layers`` blocks, a readout and a linear output: (B, T, F) → (B, outputs).

    A block is self-attention and then act(x W + b) V + c of each step, both of them residual branches. The kit's
    normalisation stands where ``norm.position`` says, before each branch and once more after the last block, or
    after each sum. Regularizer layers stand where the paper has dropout: after the positions, and at the end of each
    branch.
    """

    def __init__(
        self,
        kit: Kit,
        spec: DataSpec,
        *,
        hidden: int,
        heads: int,
        feedforward: int,
        layers: int,
        positions: str,
        readout_by: str,
    ) -> None:
        super().__init__()
        length, features = spec.input_shape

        def norm() -> Stepwise:
            return Stepwise(kit.norm.build(hidden, spatial=0))

        def regularized(*branch: nn.Module) -> nn.Sequential:
            return nn.Sequential(*branch, Stepwise(*kit.reg_layers(hidden)))

        place = [] if positions == "none" else [Positions(length, hidden, learned=positions == "learned")]
        self.embed = regularized(nn.Linear(features, hidden), *place)
        self.blocks = nn.Sequential()
        for _ in range(layers):
            attend = regularized(SelfAttention(hidden, heads))
            think = regularized(nn.Linear(hidden, feedforward), kit.act.build(), nn.Linear(feedforward, hidden))
            self.blocks.extend(SubLayer(norm(), branch, kit.norm.position) for branch in (attend, think))
        if kit.norm.position is Position.pre:
            self.blocks.append(norm())
        self.head = nn.Linear(hidden, spec.outputs)
        self.readout = readout(readout_by, hidden)  # after the head: the other weights start alike for all readouts

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, F) to (B, outputs)."""
        out: Tensor = self.head(self.readout(self.blocks(self.embed(x))))
        return out
