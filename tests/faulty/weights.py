"""Initialisers and normalisations with one fault each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from ablate.techniques import (
    Init,
    Norm,
    Signal,
)


@dataclass
class GlobalRandom(Init):
    """N(0, 1/fan_in), drawn from torch's global random numbers."""

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        weight.normal_(0.0, fan_in**-0.5)


@dataclass
class HeByFanOut(Init):
    """N(0, 2/fan_in), it says."""

    @property
    def preserves(self) -> Signal | None:
        return Signal.forward

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        weight.normal_(0.0, (2 / fan_out) ** 0.5, generator=generator)


@dataclass
class FillsTheFirst(Init):
    """N(0, 1) in the first row."""

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        weight[0].normal_(generator=generator)


class BatchNorm(nn.Module):
    """Batch normalisation with a fault of choice."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, features: int, momentum: float, fault: str) -> None:
        super().__init__()
        self.momentum, self.fault = momentum, fault
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        dims = [d for d in range(x.ndim) if d != 1]
        mean, var = x.mean(dims), x.var(dims, correction=0 if self.fault == "biased" else 1)
        if self.training or self.fault == "moves in evaluation":
            share = 1 - self.momentum if self.fault == "inverted" else self.momentum
            self.running_mean.mul_(1 if self.fault == "adds up" else 1 - share).add_(share * mean.detach())
            self.running_var.mul_(1 - share).add_(share * var.detach())
        used = mean if self.training or self.fault == "batch in evaluation" else self.running_mean
        return x - used.view(-1, *[1] * (x.ndim - 2))


@dataclass
class InvertedMomentum(Norm):
    """x - mean, running ← momentum · running + (1 - momentum) · batch."""

    momentum: float = 0.1

    def build(self, features: int, spatial: int) -> nn.Module:
        return BatchNorm(features, self.momentum, "inverted")


@dataclass
class BatchInEvaluation(Norm):
    """x - mean of the batch, in evaluation too."""

    momentum: float = 0.1

    def build(self, features: int, spatial: int) -> nn.Module:
        return BatchNorm(features, self.momentum, "batch in evaluation")


@dataclass
class MovesInEvaluation(Norm):
    """x - mean; its running mean moves in evaluation."""

    momentum: float = 0.1

    def build(self, features: int, spatial: int) -> nn.Module:
        return BatchNorm(features, self.momentum, "moves in evaluation")


@dataclass
class FrozenWeight(Norm):
    """w / |w|, computed once from a copy: the layer learns nothing."""

    def build(self, features: int, spatial: int) -> nn.Module:
        return nn.Identity()

    def reparametrize(self, layer: nn.Module) -> None:
        weight = layer.weight
        assert isinstance(weight, nn.Parameter)
        layer.register_parameter("v", nn.Parameter(weight.detach().clone()))
        weight.requires_grad_(False).div_(weight.norm())


@dataclass
class AddsUp(Norm):
    """x - mean, running ← running + momentum · batch."""

    momentum: float = 0.1

    def build(self, features: int, spatial: int) -> nn.Module:
        return BatchNorm(features, self.momentum, "adds up")


@dataclass
class BiasedVariance(Norm):
    """x - mean; the running variance is that of the batch, Σ(x - mean)² / N."""

    momentum: float = 0.1

    def build(self, features: int, spatial: int) -> nn.Module:
        return BatchNorm(features, self.momentum, "biased")


class DrawnScale(nn.Module):
    """Scales by a number that is drawn when it is built and kept nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = float(torch.rand(()))

    def forward(self, weight: Tensor) -> Tensor:
        return self.scale * weight


@dataclass
class ForgetsItsScale(Norm):
    """scale · w with a random scale."""

    def build(self, features: int, spatial: int) -> nn.Module:
        return nn.Identity()

    def reparametrize(self, layer: nn.Module) -> None:
        register_parametrization(layer, "weight", DrawnScale())
