"""Normalisations: between a layer and its activation, after it (``position=post``), or of the weights themselves.

Statistics are over (B, *S) for each feature, or over (C, *S) for each example.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least, positive
from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Norm

if TYPE_CHECKING:
    from torch import nn


@dataclass
class KeepNorm(Norm):
    """No other normalisation: the network's own stays (for model=timm, torchvision, import)."""

    keeps: ClassVar[bool] = True

    def build(self, features: int, spatial: int) -> nn.Module:
        return torch.nn.Identity()


@dataclass
class NoNorm(Norm):
    """No normalisation."""

    def build(self, features: int, spatial: int) -> nn.Module:
        return torch.nn.Identity()


@dataclass
class BatchNorm(Norm):
    """Mean 0 and variance 1 per feature over the batch, then scale and shift (Ioffe & Szegedy 2015, arXiv:1502.03167).

    Evaluation uses running statistics, ``running = (1 - momentum) · running + momentum · batch``, or those of
    the batch with ``track_running_stats=false``. affine: whether scale and shift are learned.
    """

    eps: float = 1e-5
    momentum: float = 0.1
    affine: bool = True
    track_running_stats: bool = True

    def __post_init__(self) -> None:
        positive(eps=self.eps)
        if not 0 < self.momentum <= 1:
            raise ValueError(f"momentum must be in (0, 1], not {self.momentum}")

    def build(self, features: int, spatial: int) -> nn.Module:
        layer = (torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)[spatial]
        return layer(features, self.eps, self.momentum, self.affine, self.track_running_stats)

    def waives(self) -> Mapping[str, str]:
        return {} if self.track_running_stats else {"does_not_mix_examples": "evaluation uses the batch's statistics"}


@dataclass
class LayerNorm(Norm):
    """Mean 0 and variance 1 per example, then scale and shift per feature (Ba et al. 2016, arXiv:1607.06450).

    The statistics of an image go over channels and pixels together. affine: learned scale and shift.
    """

    eps: float = 1e-5
    affine: bool = True

    def __post_init__(self) -> None:
        positive(eps=self.eps)

    def build(self, features: int, spatial: int) -> nn.Module:
        # One group of all channels: layer normalisation for any number of spatial dims.
        return torch.nn.GroupNorm(1, features, self.eps, self.affine)


@dataclass
class RMSNorm(Norm):
    """x / √(mean of x² over the example), then scale per feature: ln without centring and shift (arXiv:1910.07467).

    Zhang & Sennrich 2019. The mean square of an image goes over channels and pixels together, as that of ln does,
    so that the two differ in nothing else. affine: learned scale.
    """

    eps: float = 1e-6
    affine: bool = True

    def __post_init__(self) -> None:
        positive(eps=self.eps)

    def build(self, features: int, spatial: int) -> nn.Module:
        from .layers import rms

        return rms.RMSNorm(features, self.eps, self.affine)


@dataclass
class GroupNorm(Norm):
    """Mean 0 and variance 1 per example and group of features (Wu & He 2018, arXiv:1803.08494).

    groups: how many; a layer must have a multiple of them. affine: learned scale and shift per feature.
    """

    groups: int = 4
    eps: float = 1e-5
    affine: bool = True

    def __post_init__(self) -> None:
        at_least(1, groups=self.groups)
        positive(eps=self.eps)

    def build(self, features: int, spatial: int) -> nn.Module:
        if features % self.groups:
            raise ValueError(f"{features} features cannot be divided into norm.groups={self.groups}")
        return torch.nn.GroupNorm(self.groups, features, self.eps, self.affine)


@dataclass
class GN(GroupNorm):
    """Group normalisation by its short name: norm=group (Wu & He 2018, arXiv:1803.08494)."""


@dataclass
class InstanceNorm(Norm):
    """Mean 0 and variance 1 per example and channel, over its pixels (Ulyanov et al. 2016, arXiv:1607.08022).

    affine: learned scale and shift per channel; torch leaves them out by default, and so does the paper.
    """

    eps: float = 1e-5
    affine: bool = False

    def __post_init__(self) -> None:
        positive(eps=self.eps)

    def build(self, features: int, spatial: int) -> nn.Module:
        if not spatial:
            raise ValueError("norm=instance takes its statistics over pixels, and this model has layers without them")
        layer = (torch.nn.InstanceNorm1d, torch.nn.InstanceNorm2d)[spatial - 1]
        return layer(features, self.eps, affine=self.affine)


@dataclass
class WeightNorm(Norm):
    """w = g · v / |v|: length and direction of each output's weights are learned apart (arXiv:1602.07868).

    Salimans & Kingma 2016, of every linear and convolutional layer, starting from the initialiser's weights.
    """

    stackable: ClassVar[bool] = False  # torch.vmap takes torch's weight normalisation one by one

    def build(self, features: int, spatial: int) -> nn.Module:
        return torch.nn.Identity()

    def reparametrize(self, layer: nn.Module) -> None:
        torch.nn.utils.parametrizations.weight_norm(layer)


@dataclass
class SpectralNorm(Norm):
    """w / σ(w), σ the largest singular value by ``iterations`` of the power method a step (arXiv:1802.05957).

    Miyato et al. 2018, of every linear and convolutional layer.
    """

    stackable: ClassVar[bool] = False  # torch.vmap cannot do its power method
    iterations: int = 1

    def __post_init__(self) -> None:
        at_least(1, iterations=self.iterations)

    def build(self, features: int, spatial: int) -> nn.Module:
        return torch.nn.Identity()

    def reparametrize(self, layer: nn.Module) -> None:
        torch.nn.utils.parametrizations.spectral_norm(layer, n_power_iterations=self.iterations)


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the normalisations."""
    register("keep", KeepNorm)
    register("none", NoNorm)
    register("bn", BatchNorm)
    register("ln", LayerNorm)
    register("rms", RMSNorm)
    register("group", GroupNorm)
    register("gn", GN)
    register("instance", InstanceNorm)
    register("weight", WeightNorm)
    register("spectral", SpectralNorm)
