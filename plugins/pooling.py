"""Pooling: reduction of spatial size between stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.checks import at_least
from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Pool

if TYPE_CHECKING:
    from torch import nn


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


@dataclass
class MaxPool(WindowPool):
    """The largest value of each window; its gradient goes to that value alone."""

    def build(self, channels: int, spatial: int) -> nn.Module:
        layer = (torch.nn.MaxPool1d, torch.nn.MaxPool2d)[spatial - 1]
        return layer(self.size, self.stride or self.size)


@dataclass
class AvgPool(WindowPool):
    """The mean of each window; its gradient is spread evenly."""

    def build(self, channels: int, spatial: int) -> nn.Module:
        layer = (torch.nn.AvgPool1d, torch.nn.AvgPool2d)[spatial - 1]
        return layer(self.size, self.stride or self.size)


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the pooling options."""
    register("none", NoPool)
    register("max", MaxPool)
    register("avg", AvgPool)
