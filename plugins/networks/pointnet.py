"""PointNet: one prediction a set of points (Qi et al. 2016, arXiv:1612.00593).

Shapes: B batch · N points · D coordinates of a point · C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ablate.kit import Kit, any_leading_dims
from ablate.techniques import DataSpec

from .stepwise import Stepwise

POOLINGS: dict[str, Callable[..., Tensor]] = {"max": torch.amax, "mean": torch.mean, "sum": torch.sum}


class PointNet(nn.Module):
    """head(pool over points of h(point)), with the same h for every point: (B, N, D) → (B, outputs).

    h has hidden layers of ``channels`` units, the head of ``head`` units and a linear output. Maximum, mean and sum
    do not know the order of the points, and so neither does the prediction. The paper's transform nets, which
    turn the points and their features before h goes on, are left out.
    """

    def __init__(self, kit: Kit, spec: DataSpec, *, channels: Sequence[int], head: Sequence[int], pooling: str) -> None:
        super().__init__()

        def hidden(before: int, after: int) -> nn.Sequential:
            return nn.Sequential(nn.Linear(before, after), kit.hidden(after))

        inner = [spec.input_shape[1], *channels]
        outer = [channels[-1], *head]
        self.points = Stepwise(*(hidden(*sizes) for sizes in zip(inner, channels, strict=False)))
        self.pooling = pooling
        self.head = nn.Sequential(*(hidden(*sizes) for sizes in zip(outer, head, strict=False)))
        self.head.append(nn.Linear(outer[-1], spec.outputs))

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, N, D) to (B, outputs)."""
        points: Tensor = self.points(x)  # (B, N, C)
        out: Tensor = self.head(POOLINGS[self.pooling](points, dim=-2))
        return out
