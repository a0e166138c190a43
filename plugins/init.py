"""Initialisers: the first values of weight matrices and kernels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ablate.checks import positive
from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Init

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass
class Zeros(Init):
    """All weights zero: every unit of a layer stays the same as its neighbours."""

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        torch.nn.init.zeros_(weight)


class Mode(Enum):
    """Which fan the variance is divided by: inputs, outputs, or the mean of both."""

    fan_in = "fan_in"
    fan_out = "fan_out"
    fan_avg = "fan_avg"


class Distribution(Enum):
    """Shape of the distribution; the variance is the same."""

    normal = "normal"
    uniform = "uniform"


@dataclass
class VarianceScaling(Init):
    """Weights with mean 0 and variance ``gain² / fan``."""

    gain: float = 1.0
    mode: Mode = Mode.fan_in
    distribution: Distribution = Distribution.normal

    def __post_init__(self) -> None:
        positive(gain=self.gain)

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        fan = {Mode.fan_in: fan_in, Mode.fan_out: fan_out, Mode.fan_avg: (fan_in + fan_out) / 2}[self.mode]
        std = self.gain / fan**0.5
        if self.distribution is Distribution.normal:
            torch.nn.init.normal_(weight, 0.0, std, generator=generator)
        else:
            bound = 3**0.5 * std
            torch.nn.init.uniform_(weight, -bound, bound, generator=generator)


@dataclass
class Xavier(VarianceScaling):
    """N(0, 1/fan_in): keeps the variance of a linear layer; usually advised for sigmoid and tanh.

    Glorot and Bengio's own form (2010, AISTATS) is ``mode=fan_avg``, with ``distribution=uniform`` as they
    drew it; ``gain`` multiplies the standard deviation.
    """


@dataclass
class He(VarianceScaling):
    """N(0, 2/fan_in): keeps the power of a signal through ReLU (He et al. 2015, arXiv:1502.01852).

    ``gain`` multiplies the standard deviation (√2 by default), ``mode`` and ``distribution`` as for xavier.
    """

    gain: float = 2**0.5


@dataclass
class Orthogonal(Init):
    """Orthonormal rows or columns times ``gain`` (Saxe et al. 2013, arXiv:1312.6120).

    A kernel counts as a matrix of its outputs by the rest.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        positive(gain=self.gain)

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        torch.nn.init.orthogonal_(weight, self.gain, generator=generator)


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the initialisers."""
    register("zeros", Zeros)
    register("xavier", Xavier)
    register("he", He)
    register("orthogonal", Orthogonal)
