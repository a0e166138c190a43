"""Multilayer perceptron, and what has one as a part."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ablate.kit import Kit, any_leading_dims
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

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, *input_shape) to (B, outputs)."""
        out: Tensor = self.head(self.body(x))
        return out


OUTPUTS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


class WithOutput(nn.Module):
    """f(body(x)), f being one of ``OUTPUTS``: (B, …) → (B, outputs)."""

    def __init__(self, body: nn.Module, output: str) -> None:
        super().__init__()
        self.body = body
        self.output = OUTPUTS[output]()

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map what the body takes to (B, outputs)."""
        out: Tensor = self.output(self.body(x))
        return out


class Products(nn.Module):
    """The products of two different features, (B, F) → (B, F (F - 1) / 2), or where not asked for none, (B, 0)."""

    pairs: Tensor

    def __init__(self, features: int, wanted: bool) -> None:
        super().__init__()
        pairs = torch.triu_indices(features, features, offset=1)[:, : None if wanted else 0]
        self.register_buffer("pairs", pairs, persistent=False)  # (2, F (F - 1) / 2)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        first, second = self.pairs
        return x[:, first] * x[:, second]


class WideDeep(nn.Module):
    """W·[x, φ(x)] + deep(x): (B, F) → (B, outputs); φ are the products of two different features.

    The deep part's output layer has the bias of both.
    """

    def __init__(self, spec: DataSpec, deep: nn.Module, crosses: bool) -> None:
        super().__init__()
        (features,) = spec.input_shape
        self.deep = deep
        self.products = Products(features, crosses)
        self.wide = nn.Linear(features + self.products.pairs.shape[1], spec.outputs, bias=False)

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, F) to (B, outputs)."""
        out: Tensor = self.wide(torch.cat((x, self.products(x)), -1)) + self.deep(x)
        return out
