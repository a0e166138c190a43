"""Regularizers: penalties and layers that act in training alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.checks import fraction, not_negative
from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Regularizer

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class NoRegularizer(Regularizer):
    """No regularizer."""


@dataclass
class WeightPenalty(Regularizer):
    """Penalty on the weights of linear and convolutional layers; ``bias`` includes their biases."""

    weight: float = 1e-4
    bias: bool = False

    def __post_init__(self) -> None:
        not_negative(weight=self.weight)

    def penalised(self, model: nn.Module) -> list[Tensor]:
        """Return the tensors that the penalty is on."""
        layers = (torch.nn.Linear, torch.nn.modules.conv._ConvNd)
        modules = [m for m in model.modules() if isinstance(m, layers)]
        biases = [m.bias for m in modules if m.bias is not None] if self.bias else []
        return [m.weight for m in modules] + biases


@dataclass
class L1(WeightPenalty):
    """weight · Σ|w|: drives weights towards zero."""

    def penalty(self, model: nn.Module) -> Tensor | None:
        terms = [w.abs().sum() for w in self.penalised(model)]
        return self.weight * torch.stack(terms).sum() if terms else None


@dataclass
class L2(WeightPenalty):
    """weight · Σw² added to the loss, so that its gradient is 2 · weight · w."""

    def penalty(self, model: nn.Module) -> Tensor | None:
        terms = [w.square().sum() for w in self.penalised(model)]
        return self.weight * torch.stack(terms).sum() if terms else None


@dataclass
class Dropout(Regularizer):
    """Each hidden unit is zero with probability ``p`` in training, the others scaled by 1 / (1 - p).

    Srivastava et al. 2014 (JMLR 15), in the inverted form: evaluation is untouched.
    """

    p: float = 0.5

    def __post_init__(self) -> None:
        fraction(p=self.p)

    def layer(self, features: int, spatial: int) -> nn.Module | None:
        return torch.nn.Dropout(self.p)


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the regularizers."""
    register("none", NoRegularizer)
    register("l1", L1)
    register("l2", L2)
    register("dropout", Dropout)
