"""Penalties: terms added to the training loss. w weight · λ the penalty's own weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.checks import not_negative
from ablate.lazy import torch
from ablate.techniques import Regularizer

if TYPE_CHECKING:
    from torch import Tensor, nn


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
class ElasticNet(Regularizer):
    """l1 · Σ|w| + l2 · Σw² (Zou & Hastie 2005, JRSS B 67); ``bias`` includes the biases."""

    l1: float = 1e-4
    l2: float = 1e-4
    bias: bool = False

    def __post_init__(self) -> None:
        not_negative(l1=self.l1, l2=self.l2)

    def penalty(self, model: nn.Module) -> Tensor | None:
        first, second = L1(self.l1, self.bias).penalty(model), L2(self.l2, self.bias).penalty(model)
        return None if first is None or second is None else first + second
