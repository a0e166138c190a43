"""Pooling: reduction of spatial size between stages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least
from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Pool

if TYPE_CHECKING:
    from torch import nn


@dataclass
class KeepPool(Pool):
    """No other pooling: the network's own stays (for model=timm, torchvision, import)."""

    keeps: ClassVar[bool] = True

    def build(self, channels: int, spatial: int) -> nn.Module:
        return torch.nn.Identity()


@dataclass
class NoPool(Pool):
    """No pooling: the size stays."""

    def build(self, channels: int, spatial: int) -> nn.Module:
        return torch.nn.Identity()


@dataclass
class WindowPool(Pool):
    """Pooling over windows of ``size``, ``stride`` apart (by default ``size``)."""

    size: int = 2
    stride: int | None = None

    def __post_init__(self) -> None:
        at_least(1, size=self.size, stride=self.stride)

    @property
    def step(self) -> int:
        """The distance of neighbouring windows."""
        return self.stride or self.size


@dataclass
class PaddedPool(WindowPool):
    """Pooling whose windows may reach ``padding`` beyond the border."""

    padding: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, padding=self.padding)
        if self.padding > self.size // 2:
            raise ValueError(f"padding must be at most half of size={self.size}, not {self.padding}")


@dataclass
class MaxPool(PaddedPool):
    """The largest value of each window; its gradient goes to that value alone.

    size: of a window · stride: between windows, by default ``size`` · padding: of -∞ around the map.
    """

    def build(self, channels: int, spatial: int) -> nn.Module:
        layer = (torch.nn.MaxPool1d, torch.nn.MaxPool2d)[spatial - 1]
        return layer(self.size, self.step, self.padding)


@dataclass
class AvgPool(PaddedPool):
    """The mean of each window (LeCun et al. 1998); its gradient is spread evenly.

    size: of a window · stride: between windows, by default ``size`` · padding: around the map, not counted in
    the mean.
    """

    def build(self, channels: int, spatial: int) -> nn.Module:
        layer = (torch.nn.AvgPool1d, torch.nn.AvgPool2d)[spatial - 1]
        return layer(self.size, self.step, self.padding, count_include_pad=False)


@dataclass
class LpPool(WindowPool):
    """(Σ|x|^p)^(1/p) of each window: from size² times the mean of |x| to, for large p, its maximum (arXiv:1204.3968).

    A sum, not a mean, as in torch; torch's LPPool leaves out |·|, so that negative numbers give NaN unless p
    is even. size: of a window · stride: between windows, by default ``size`` (Sermanet et al. 2012).
    """

    p: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.p < math.inf:
            raise ValueError(f"p must be at least 1 and finite, not {self.p}")

    def build(self, channels: int, spatial: int) -> nn.Module:
        from .layers import pool

        return pool.PNorm(self.p, self.size, self.step, spatial)


@dataclass
class StridePool(WindowPool):
    """Convolution from all channels to as many, ``stride`` apart: pooling that is learned (arXiv:1412.6806).

    Springenberg et al. 2014 follow it with an activation; here it is linear, as other pooling is, but for its
    bias. size: of the kernel · stride: between windows, by default ``size``.
    """

    def build(self, channels: int, spatial: int) -> nn.Module:
        layer = (torch.nn.Conv1d, torch.nn.Conv2d)[spatial - 1]
        return layer(channels, channels, self.size, self.step)

    def waives(self) -> Mapping[str, str]:
        return {"does_not_mix_channels": "its kernels are learned, from all channels to each"}


@dataclass
class BlurPool(WindowPool):
    """Maximum of each window at every place, then [1, 2, 1] / 4 along each dim at every stride (arXiv:1904.11486).

    Anti-aliased max pooling: a shift of the input shows in the output little by little (Zhang 2019). The blur
    is fixed and reflects the border. size: of the maximum's window · stride: by default ``size``.
    """

    def build(self, channels: int, spatial: int) -> nn.Module:
        from .layers import pool

        return pool.MaxBlur(channels, self.size, self.step, spatial)


@dataclass
class GlobalMaxPool(Pool):
    """The largest value of each channel: the map becomes one pixel (Oquab et al. 2015, CVPR)."""

    def build(self, channels: int, spatial: int) -> nn.Module:
        return (torch.nn.AdaptiveMaxPool1d, torch.nn.AdaptiveMaxPool2d)[spatial - 1](1)


@dataclass
class GlobalAvgPool(Pool):
    """The mean of each channel: the map becomes one pixel (Lin et al. 2013, arXiv:1312.4400)."""

    def build(self, channels: int, spatial: int) -> nn.Module:
        return (torch.nn.AdaptiveAvgPool1d, torch.nn.AdaptiveAvgPool2d)[spatial - 1](1)


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the pooling options."""
    register("keep", KeepPool)
    register("none", NoPool)
    register("max", MaxPool)
    register("avg", AvgPool)
    register("lp", LpPool)
    register("stride", StridePool)
    register("blur", BlurPool)
    register("global_max", GlobalMaxPool)
    register("global_avg", GlobalAvgPool)
