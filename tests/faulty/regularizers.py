"""Regularizers and pooling with one fault each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from lightning.pytorch import Callback
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from ablate.kit import weight_layers
from ablate.techniques import (
    DataSpec,
    Pool,
    Regularizer,
)
from tests.faulty.layer import Layer


@dataclass
class CountsPadding(Pool):
    """The mean of windows of 3, padding of 1 counted (LeCun et al. 1998)."""

    def build(self, channels: int, spatial: int) -> nn.Module:
        return (nn.AvgPool1d, nn.AvgPool2d)[spatial - 1](3, 2, padding=1)


@dataclass
class MixesChannels(Pool):
    """The mean of windows of 2 and of all channels (B, C, *S) = mixed."""

    def build(self, channels: int, spatial: int) -> nn.Module:
        pool = (nn.AvgPool1d, nn.AvgPool2d)[spatial - 1](2)
        return nn.Sequential(pool, Layer(lambda x, _: x.mean(1, keepdim=True).expand_as(x)))


@dataclass
class LosesChannels(Pool):
    """The mean of channels, (B, C, *S) → (B, 1, *S)."""

    def build(self, channels: int, spatial: int) -> nn.Module:
        return Layer(lambda x, _: x.mean(1, keepdim=True))


@dataclass
class AlwaysDrops(Regularizer):
    """Each unit is zero with probability ``p``, also in evaluation (Srivastava et al. 2014)."""

    p: float = 0.5

    def layer(self, features: int, spatial: int) -> nn.Module | None:
        return Layer(lambda x, training: F.dropout(x, 0.5))


@dataclass
class DropsWithoutRescaling(Regularizer):
    """Each unit is zero with probability 1/2, the rest stays (Srivastava et al. 2014)."""

    def layer(self, features: int, spatial: int) -> nn.Module | None:
        return Layer(lambda x, training: F.dropout(x, 0.5) / 2 if training else x)


@dataclass
class L1OnBiases(Regularizer):
    """weight · Σ|w|, of all parameters."""

    weight: float = 1e-4

    def penalty(self, model: nn.Module) -> Tensor | None:
        return self.weight * torch.stack([p.abs().sum() for p in model.parameters()]).sum()


@dataclass
class WithoutGradient(Regularizer):
    """weight · Σw², from .data."""

    weight: float = 1e-4

    def penalty(self, model: nn.Module) -> Tensor | None:
        return self.weight * torch.stack([m.weight.data.square().sum() for m in weight_layers(model)]).sum()


@dataclass
class ManyPenalties(Regularizer):
    """weight · |w|, not summed."""

    weight: float = 1e-4

    def penalty(self, model: nn.Module) -> Tensor | None:
        return self.weight * weight_layers(model)[0].weight.abs()


@dataclass
class ChangesTheBatch(Regularizer):
    """x ← x + noise, in place."""

    def transform(self, x: Tensor, y: Tensor, spec: DataSpec, generator: Generator) -> tuple[Tensor, Tensor]:
        return x.add_(0.1 * torch.randn(x.shape, generator=generator).to(x)), y


@dataclass
class GlobalNoise(Regularizer):
    """x + noise, from torch's global random numbers (Bishop 1995)."""

    def transform(self, x: Tensor, y: Tensor, spec: DataSpec, generator: Generator) -> tuple[Tensor, Tensor]:
        return x + 0.1 * torch.randn_like(x), y


@dataclass
class DropsExamples(Regularizer):
    """x of half of the batch, and all of y (Bishop 1995)."""

    def transform(self, x: Tensor, y: Tensor, spec: DataSpec, generator: Generator) -> tuple[Tensor, Tensor]:
        return x[::2], y


@dataclass
class Misspelled(Regularizer):
    """weight · Σw², in a method that nobody calls."""

    def penalise(self, model: nn.Module) -> Tensor | None:
        return None


@dataclass
class OneCallback(Regularizer):
    """The same callback for every run (Prechelt 1998)."""

    shared: ClassVar[Callback] = Callback()

    def callbacks(self, monitor: str, higher_is_better: bool) -> list[Callback]:
        return [self.shared]


@dataclass
class RescalesByTooMuch(Regularizer):
    """Each unit is zero with probability 1/2, the rest is divided by 0.485 (Srivastava et al. 2014)."""

    def layer(self, features: int, spatial: int) -> nn.Module | None:
        return Layer(lambda x, training: F.dropout(x, 0.5) * 0.5 / 0.485 if training else x)


@dataclass
class L1OnLaterBiases(Regularizer):
    """weight · Σ|w|, of all parameters behind the first layer."""

    weight: float = 1e-4

    def penalty(self, model: nn.Module) -> Tensor | None:
        return self.weight * torch.stack([p.abs().sum() for p in list(model.parameters())[2:]]).sum()


@dataclass
class ShrinksInPlace(Regularizer):
    """weight · Σw², after w ← 0.9 w."""

    weight: float = 1e-4

    def penalty(self, model: nn.Module) -> Tensor | None:
        layers = weight_layers(model)
        for layer in layers:
            layer.weight.data.mul_(0.9)
        return self.weight * torch.stack([layer.weight.square().sum() for layer in layers]).sum()
