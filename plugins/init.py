"""Initialisers: the first values of weight matrices and kernels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import finite, positive
from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Init, Signal

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass
class Keep(Init):
    """No other initialiser: weights and biases begin as the network's author has them (model=timm, import, …)."""

    keeps: ClassVar[bool] = True

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        pass

    def waives(self) -> Mapping[str, str]:
        return dict.fromkeys(("fills_every_weight", "draws_from_the_generator"), "the network's author does")


@dataclass
class Zeros(Init):
    """w = 0: every unit of a layer stays the same as its neighbours."""

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        torch.nn.init.zeros_(weight)


@dataclass
class Constant(Init):
    """w = ``value``: like zeros, every unit of a layer stays the same as its neighbours."""

    value: float = 0.1

    def __post_init__(self) -> None:
        finite(value=self.value)

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        torch.nn.init.constant_(weight, self.value)


@dataclass
class Normal(Init):
    """N(0, std²), whatever the layer's size; 0.01 as in Krizhevsky et al. 2012."""

    std: float = 0.01

    def __post_init__(self) -> None:
        positive(std=self.std)

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        torch.nn.init.normal_(weight, 0.0, self.std, generator=generator)


@dataclass
class Uniform(Init):
    """Uniform between -bound and bound, whatever the layer's size: a standard deviation of bound / √3."""

    bound: float = 0.05

    def __post_init__(self) -> None:
        positive(bound=self.bound)

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        torch.nn.init.uniform_(weight, -self.bound, self.bound, generator=generator)


@dataclass
class TruncatedNormal(Init):
    """N(0, std²) cut at 2 std; 0.02 as in BERT (Devlin et al. 2018, arXiv:1810.04805).

    ``std`` is that before the cut: what is left has 0.88 of it.
    """

    std: float = 0.02

    def __post_init__(self) -> None:
        positive(std=self.std)

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        torch.nn.init.trunc_normal_(weight, 0.0, self.std, -2 * self.std, 2 * self.std, generator=generator)


class GainOf(Enum):
    """The activation that the weights make up for, by ``torch.nn.init.calculate_gain``; none counts as 1."""

    none = "none"
    linear = "linear"
    sigmoid = "sigmoid"
    tanh = "tanh"
    relu = "relu"
    leaky_relu = "leaky_relu"
    selu = "selu"


@dataclass
class Gained(Init):
    """Weights times ``gain`` times the gain of the activation ``gain_of``.

    The gains: none, linear and sigmoid 1 · tanh 5/3 · relu √2 · leaky_relu √(2 / 1.0001), its slope being
    0.01 · selu 3/4.
    """

    gain: float = 1.0
    gain_of: GainOf = GainOf.none

    def __post_init__(self) -> None:
        positive(gain=self.gain)

    @property
    def factor(self) -> float:
        """The two gains together."""
        if self.gain_of is GainOf.none:
            return self.gain
        return self.gain * torch.nn.init.calculate_gain(self.gain_of.value)


class Distribution(Enum):
    """Shape of the distribution; the variance is the same."""

    normal = "normal"
    uniform = "uniform"


@dataclass
class VarianceScaling(Gained):
    """Weights with mean 0 and variance ``gain² / fan``."""

    distribution: Distribution = Distribution.normal

    @property
    def preserves(self) -> Signal | None:
        """Forward, as the variance is divided by the fan-in."""
        return Signal.forward

    def fan(self, fan_in: int, fan_out: int) -> float:
        """Return what the variance is divided by."""
        return fan_in

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        std = self.factor / self.fan(fan_in, fan_out) ** 0.5
        if self.distribution is Distribution.normal:
            torch.nn.init.normal_(weight, 0.0, std, generator=generator)
        else:
            bound = 3**0.5 * std
            torch.nn.init.uniform_(weight, -bound, bound, generator=generator)


@dataclass
class LeCun(VarianceScaling):
    """N(0, 1/fan_in): keeps the variance of a linear layer (LeCun et al. 1998, "Efficient BackProp").

    The companion of ``act=selu``; with its defaults the same as xavier with its own. ``gain`` and the gain of
    the activation ``gain_of`` multiply the standard deviation.
    """


@dataclass
class Glorot(VarianceScaling):
    """Variance 2 / (fan_in + fan_out): between keeping it forwards and backwards (Glorot & Bengio 2010, AISTATS).

    distribution: ``uniform`` as in the paper, or ``normal`` · ``gain`` and the gain of the activation
    ``gain_of`` multiply the standard deviation (the paper has neither).
    """

    distribution: Distribution = Distribution.uniform

    @property
    def preserves(self) -> Signal | None:
        """Neither: a compromise of the two."""
        return None

    def fan(self, fan_in: int, fan_out: int) -> float:
        """Return the mean of both fans."""
        return (fan_in + fan_out) / 2


class Mode(Enum):
    """Which fan the variance is divided by: inputs, outputs, or the mean of both."""

    fan_in = "fan_in"
    fan_out = "fan_out"
    fan_avg = "fan_avg"


@dataclass
class AnyFan(VarianceScaling):
    """Variance scaling by the fan that ``mode`` names."""

    mode: Mode = Mode.fan_in

    @property
    def preserves(self) -> Signal | None:
        """The signal that the fan of ``mode`` belongs to."""
        return {Mode.fan_in: Signal.forward, Mode.fan_out: Signal.backward, Mode.fan_avg: None}[self.mode]

    def fan(self, fan_in: int, fan_out: int) -> float:
        """Return the fan of ``mode``."""
        return {Mode.fan_in: fan_in, Mode.fan_out: fan_out, Mode.fan_avg: (fan_in + fan_out) / 2}[self.mode]


@dataclass
class Xavier(AnyFan):
    """N(0, 1/fan_in): keeps the variance of a linear layer; usually advised for sigmoid and tanh.

    Glorot and Bengio's own form is ``init=glorot``. ``gain`` and the gain of the activation ``gain_of``
    multiply the standard deviation.
    """


@dataclass
class He(AnyFan):
    """N(0, 2/fan_in): keeps the power of a signal through ReLU (He et al. 2015, arXiv:1502.01852).

    The 2 is the square of relu's gain: another ``gain_of`` takes its place, and ``gain`` multiplies the
    standard deviation. ``mode`` and ``distribution`` as for xavier.
    """

    gain_of: GainOf = GainOf.relu


@dataclass
class Orthogonal(Gained):
    """Orthonormal rows or columns times ``gain`` and the gain of ``gain_of`` (Saxe et al. 2013, arXiv:1312.6120).

    A kernel counts as a matrix of its outputs by the rest.
    """

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        torch.nn.init.orthogonal_(weight, self.factor, generator=generator)


@dataclass
class Identity(Init):
    """Square matrices gain · I, the rest N(0, std²): for recurrent layers (Le et al. 2015, arXiv:1504.00941).

    The recurrent matrix of each gate is filled by itself. A matrix of a feed-forward layer that happens to be
    square is filled like a recurrent one; kernels are not.
    """

    gain: float = 1.0
    std: float = 0.001

    def __post_init__(self) -> None:
        positive(gain=self.gain, std=self.std)

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> None:
        if weight.ndim == 2 and weight.shape[0] == weight.shape[1]:
            torch.nn.init.eye_(weight)
            with torch.no_grad():
                weight.mul_(self.gain)
        else:
            torch.nn.init.normal_(weight, 0.0, self.std, generator=generator)


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the initialisers."""
    register("keep", Keep)
    register("zeros", Zeros)
    register("constant", Constant)
    register("normal", Normal)
    register("uniform", Uniform)
    register("truncated_normal", TruncatedNormal)
    register("lecun", LeCun)
    register("glorot", Glorot)
    register("xavier", Xavier)
    register("he", He)
    register("orthogonal", Orthogonal)
    register("identity", Identity)
