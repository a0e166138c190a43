"""Plain techniques in the places around the one that is checked, in pairs where a model is to tell them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from ablate.kit import Kit
from ablate.techniques import Activation, Init, Norm, Pool, Regularizer


class Halved(nn.Module):
    """x / 2, of any shape: shows wherever it stands."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the half of ``x``."""
        return x / 2


@dataclass
class Tanh(Activation):
    """tanh(x): smooth, so that every gradient can be measured."""

    def build(self) -> nn.Module:
        """Return the layer."""
        return nn.Tanh()


@dataclass
class Sigmoid(Activation):
    """1 / (1 + exp(-x)), to be told from tanh."""

    def build(self) -> nn.Module:
        """Return the layer."""
        return nn.Sigmoid()


@dataclass
class Scaled(Init):
    """N(0, 1 / fan_in)."""

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        """Fill ``weight``."""
        weight.normal_(0.0, fan_in**-0.5, generator=generator)


@dataclass
class NoNorm(Norm):
    """No normalisation."""

    def build(self, features: int, spatial: int) -> nn.Module:
        """Return the layer."""
        return nn.Identity()


@dataclass
class HalvedNorm(Norm):
    """x / 2 where a normalisation stands."""

    def build(self, features: int, spatial: int) -> nn.Module:
        """Return the layer."""
        return Halved()


@dataclass
class MeanPool(Pool):
    """The mean of windows of 2."""

    def build(self, channels: int, spatial: int) -> nn.Module:
        """Return the layer."""
        return (nn.AvgPool1d, nn.AvgPool2d)[spatial - 1](2)


@dataclass
class HalvedLayer(Regularizer):
    """x / 2 where a regularizer's layer stands."""

    def layer(self, features: int, spatial: int) -> nn.Module | None:
        """Return the layer."""
        return Halved()


def kit(act: Activation | None = None, norm: Norm | None = None, reg: Mapping[str, Regularizer] | None = None) -> Kit:
    """Return a kit of plain techniques, but for those given."""
    return Kit(act=act or Tanh(), init=Scaled(), norm=norm or NoNorm(), pool=MeanPool(), reg=reg or {})


def network() -> nn.Sequential:
    """Return a small network of linear and convolutional layers, (B, 3, 4, 4) → (B, 2), in float64."""
    layers = (nn.Conv2d(3, 4, 3), nn.Tanh(), nn.ConvTranspose2d(4, 2, 2), nn.Flatten(), nn.Linear(18, 2))
    model = nn.Sequential(*layers).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.5, generator=generator)
    return model
