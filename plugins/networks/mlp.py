"""Multilayer perceptron."""

from __future__ import annotations

import math

from torch import Tensor, nn

from ablate.kit import Kit, Residual
from ablate.techniques import DataSpec


class MLP(nn.Module):
    """``depth`` hidden layers of ``width`` units and a linear output: (B, *input_shape) → (B, outputs).

    With ``residual``, each layer after the first is a pre-norm block: x + W·act(norm(x)). The plain network
    has the same layers in the same order; only the identity paths are missing.
    """

    def __init__(self, kit: Kit, spec: DataSpec, *, depth: int, width: int, residual: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten(), nn.Linear(math.prod(spec.input_shape), width)]
        for _ in range(depth - 1):
            block = nn.Sequential(kit.hidden(width), nn.Linear(width, width))
            layers.append(Residual(block) if residual else block)
        self.body = nn.Sequential(*layers, kit.hidden(width))
        self.head = nn.Linear(width, spec.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, *input_shape) to (B, outputs)."""
        out: Tensor = self.head(self.body(x))
        return out
