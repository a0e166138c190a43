"""Activations: non-linearities after hidden layers, elementwise but for softmax."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import finite, not_negative, positive
from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Activation

if TYPE_CHECKING:
    from torch import nn


@dataclass
class KeepActivation(Activation):
    """No other activation: the network's own stay (for model=timm, torchvision, import)."""

    keeps: ClassVar[bool] = True

    def build(self) -> nn.Module:
        return torch.nn.Identity()


@dataclass
class Identity(Activation):
    """No activation: x. Layers without one collapse into a single linear map."""

    def build(self) -> nn.Module:
        return torch.nn.Identity()


class Surrogate(Enum):
    """What stands in for the gradient of a step: nothing, or that of x near zero."""

    none = "none"
    straight_through = "straight_through"


@dataclass
class Step(Activation):
    """1 where x ≥ 0, else 0 (McCulloch & Pitts 1943): its gradient is zero, so that layers before it stay as they are.

    surrogate: ``straight_through`` passes the gradient where |x| ≤ 1 (Hubara et al. 2016, arXiv:1602.02830,
    there for a sign of -1 and 1), ``none`` passes none.
    """

    surrogate: Surrogate = Surrogate.none

    def build(self) -> nn.Module:
        from .layers import step

        return step.Step(self.surrogate is Surrogate.straight_through)

    def waives(self) -> Mapping[str, str]:
        if self.surrogate is Surrogate.none:
            return {}
        return {"has_the_right_gradient": "a surrogate stands in for it"}


@dataclass
class Sigmoid(Activation):
    """1 / (1 + exp(-x)), between 0 and 1."""

    def build(self) -> nn.Module:
        return torch.nn.Sigmoid()


@dataclass
class Tanh(Activation):
    """Hyperbolic tangent, between -1 and 1."""

    def build(self) -> nn.Module:
        return torch.nn.Tanh()


@dataclass
class Softmax(Activation):
    """exp(xᵢ) / Σⱼ exp(xⱼ) over the features, of each pixel by itself: they share a sum of 1."""

    def build(self) -> nn.Module:
        return torch.nn.Softmax(dim=1)  # features are dim 1 of (B, C) and of (B, C, *S)


@dataclass
class ReLU(Activation):
    """max(0, x) (Nair & Hinton 2010)."""

    def build(self) -> nn.Module:
        return torch.nn.ReLU()


@dataclass
class LeakyReLU(Activation):
    """x where x > 0, else slope · x (Maas et al. 2013)."""

    slope: float = 0.01

    def __post_init__(self) -> None:
        not_negative(slope=self.slope)

    def build(self) -> nn.Module:
        return torch.nn.LeakyReLU(self.slope)


@dataclass
class PReLU(Activation):
    """x where x > 0, else a · x with a learned ``a`` that starts at ``init`` (He et al. 2015, arXiv:1502.01852).

    One ``a`` for all features of a layer: the paper's channel-shared form.
    """

    init: float = 0.25

    def __post_init__(self) -> None:
        finite(init=self.init)

    def build(self) -> nn.Module:
        return torch.nn.PReLU(init=self.init)


@dataclass
class ELU(Activation):
    """x where x > 0, else alpha · (exp(x) - 1) (Clevert et al. 2015, arXiv:1511.07289)."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        positive(alpha=self.alpha)

    def build(self) -> nn.Module:
        return torch.nn.ELU(self.alpha)


@dataclass
class SELU(Activation):
    """1.0507 · elu(x) with alpha 1.6733 (Klambauer et al. 2017, arXiv:1706.02515).

    With ``init=lecun``, activations keep to mean 0 and variance 1 without normalisation.
    """

    def build(self) -> nn.Module:
        return torch.nn.SELU()


class Approximation(Enum):
    """How GELU is computed."""

    none = "none"
    tanh = "tanh"


@dataclass
class GELU(Activation):
    """x Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016, arXiv:1606.08415).

    approximate: ``none`` for the exact form, ``tanh`` for the paper's approximation.
    """

    approximate: Approximation = Approximation.none

    def build(self) -> nn.Module:
        return torch.nn.GELU(approximate=self.approximate.name)


@dataclass
class Softplus(Activation):
    """log(1 + exp(beta · x)) / beta, a smooth ReLU (Dugas et al. 2000).

    Where beta · x > 20, torch takes x itself: off by less than 3e-9 / beta.
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        positive(beta=self.beta)

    def build(self) -> nn.Module:
        return torch.nn.Softplus(self.beta)


@dataclass
class SiLU(Activation):
    """x / (1 + exp(-x)) (Elfwing et al. 2017, arXiv:1702.03118), also known as swish (arXiv:1710.05941)."""

    def build(self) -> nn.Module:
        return torch.nn.SiLU()


@dataclass
class Mish(Activation):
    """x · tanh(log(1 + exp(x))) (Misra 2019, arXiv:1908.08681)."""

    def build(self) -> nn.Module:
        return torch.nn.Mish()


@dataclass
class Hardswish(Activation):
    """x · min(max(x + 3, 0), 6) / 6, silu in straight lines (Howard et al. 2019, arXiv:1905.02244)."""

    def build(self) -> nn.Module:
        return torch.nn.Hardswish()


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the activations."""
    register("keep", KeepActivation)
    register("identity", Identity)
    register("step", Step)
    register("sigmoid", Sigmoid)
    register("tanh", Tanh)
    register("softmax", Softmax)
    register("relu", ReLU)
    register("leaky_relu", LeakyReLU)
    register("prelu", PReLU)
    register("elu", ELU)
    register("selu", SELU)
    register("gelu", GELU)
    register("softplus", Softplus)
    register("silu", SiLU)
    register("mish", Mish)
    register("hardswish", Hardswish)
