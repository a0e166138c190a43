"""Faults that an option of any kind can have."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from ablate.checks import positive
from ablate.techniques import (
    Activation,
    Pool,
)
from tests.faulty.layer import Layer


@dataclass
class WithoutSource(Activation):
    """A very good activation."""

    def build(self) -> nn.Module:
        return nn.Tanh()


@dataclass
class WithoutWords(Activation):
    """max(slant · x, x)."""

    slant: float = 0.1
    tilt: float = 0.1

    def build(self) -> nn.Module:
        return nn.LeakyReLU(self.slant)


@dataclass
class RaisesKeyError(Activation):
    """a · tanh(x) with ``a`` by ``name``: raises a KeyError for a level that it does not know."""

    level: int = 1

    def __post_init__(self) -> None:
        {1: 0.5, 2: 1.0, 3: 1.5}[self.level]

    def build(self) -> nn.Module:
        return nn.Tanh()


@dataclass
class Unchecked(Pool):
    """The mean of windows of ``size`` = 2, whatever is given."""

    size: int = 2

    def build(self, channels: int, spatial: int) -> nn.Module:
        return (nn.AvgPool1d, nn.AvgPool2d)[spatial - 1](self.size)


@dataclass
class Nameless(Activation):
    """tanh(gain · x); refuses without saying what."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.gain < 100:
            raise ValueError("that is out of range")

    def build(self) -> nn.Module:
        return Layer(lambda x, _: torch.tanh(self.gain * x))


@dataclass
class TakesNaN(Activation):
    """tanh(gain · x)."""

    gain: float = 1.0

    def build(self) -> nn.Module:
        gain = self.gain
        return Layer(lambda x, _: torch.tanh(gain * x))


@dataclass
class WithoutDefault(Activation):
    """tanh(gain · x)."""

    gain: float

    def build(self) -> nn.Module:
        return nn.Tanh()


@dataclass
class ChangesItself(Activation):
    """tanh(x), and counts in ``built`` = how often."""

    built: int = 0

    def build(self) -> nn.Module:
        self.built += 1
        return nn.Tanh()


@dataclass
class ScaledOnTheWay(Activation):
    """tanh(percent / 100 · x)."""

    percent: float = 50.0

    def __post_init__(self) -> None:
        self.percent /= 100

    def build(self) -> nn.Module:
        return nn.Tanh()


@dataclass(eq=False)
class WithoutEquality(Activation):
    """tanh(gain · x)."""

    gain: float = 1.0

    def build(self) -> nn.Module:
        return nn.Tanh()


@dataclass
class FailsWithTwoFlags(Activation):
    """a · tanh(x), unless ``first`` and ``second`` are both set."""

    first: bool = False
    second: bool = False

    def build(self) -> nn.Module:
        return [nn.Tanh(), nn.Tanh()][self.first + self.second]


@dataclass
class HoldsALambda(Activation):
    """tanh(x)."""

    def __post_init__(self) -> None:
        self.function = lambda x: x.tanh()

    def build(self) -> nn.Module:
        return nn.Tanh()


@dataclass
class WaivesNothing(Activation):
    """tanh(x)."""

    def build(self) -> nn.Module:
        return nn.Tanh()

    def waives(self) -> dict[str, str]:
        return {"has_a_nice_name": "it has none"}


@dataclass
class IgnoresItsGain(Activation):
    """tanh(gain · x), it says."""

    gain: float = 1.0

    def build(self) -> nn.Module:
        return nn.Tanh()


@dataclass
class Sound(Activation):
    """x + sin²(a x) / a (Ziyin et al. 2020, arXiv:2006.08195)."""

    a: float = 1.0

    def __post_init__(self) -> None:
        positive(a=self.a)

    def build(self) -> nn.Module:
        return Layer(lambda x, _: x + torch.sin(self.a * x) ** 2 / self.a)
