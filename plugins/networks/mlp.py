"""Multilayer perceptron, and what has one as a part."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ablate.kit import Kit
from ablate.techniques import DataSpec

from ..layers.forms import Form
from .residual import block


class MLP(nn.Module):
    """``depth`` hidden layers of ``width`` units and a linear output: (B, *input_shape) → (B, outputs).

    Each layer after the first is a block of the form ``residual``, its branch times ``scale``. Every form has the
    same layers in the same order; only the identity paths differ.
    """

    def __init__(
        self, kit: Kit, spec: DataSpec, *, depth: int, width: int, residual: Form = Form.none, scale: float = 1.0
    ) -> None:
        super().__init__()
        layers = [block(kit, residual, [nn.Linear(width, width)], width, width, scale=scale) for _ in range(depth - 1)]
        # Blocks of the form pre take and return what no activation has been through.
        layers.insert(len(layers) if residual is Form.pre else 0, kit.hidden(width))
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(spec.input_shape), width), *layers)
        self.head = nn.Linear(width, spec.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, *input_shape) to (B, outputs)."""
        out: Tensor = self.head(self.body(x))
        return out


class WideDeep(nn.Module):
    """W·[x, φ(x)] + deep(x): (B, F) → (B, outputs); φ are the products of two different features.

    The deep part's output layer has the bias of both.
    """

    pairs: Tensor

    def __init__(self, spec: DataSpec, deep: nn.Module, crosses: bool) -> None:
        super().__init__()
        (features,) = spec.input_shape
        self.deep = deep
        pairs = torch.triu_indices(features, features, offset=1)[:, : None if crosses else 0]
        self.register_buffer("pairs", pairs, persistent=False)  # (2, features · (features - 1) / 2)
        self.wide = nn.Linear(features + pairs.shape[1], spec.outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, F) to (B, outputs)."""
        first, second = self.pairs
        wide = torch.cat((x, x[:, first] * x[:, second]), 1)
        out: Tensor = self.wide(wide) + self.deep(x)
        return out
