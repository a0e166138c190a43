"""Normalisations: between a layer and its activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.checks import positive
from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Norm

if TYPE_CHECKING:
    from torch import nn


@dataclass
class NoNorm(Norm):
    """No normalisation."""

    def build(self, features: int, spatial: int) -> nn.Module:
        return torch.nn.Identity()


@dataclass
class BatchNorm(Norm):
    """Mean 0 and variance 1 per feature over the batch, then scale and shift (Ioffe & Szegedy 2015, arXiv:1502.03167).

    Evaluation uses running statistics: ``running = (1 - momentum) · running + momentum · batch``.
    """

    eps: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        positive(eps=self.eps)
        if not 0 < self.momentum <= 1:
            raise ValueError(f"momentum must be in (0, 1], not {self.momentum}")

    def build(self, features: int, spatial: int) -> nn.Module:
        layer = (torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)[spatial]
        return layer(features, eps=self.eps, momentum=self.momentum)


@dataclass
class LayerNorm(Norm):
    """Mean 0 and variance 1 per example, then scale and shift per feature (Ba et al. 2016, arXiv:1607.06450).

    The statistics of an image go over channels and pixels together.
    """

    eps: float = 1e-5

    def __post_init__(self) -> None:
        positive(eps=self.eps)

    def build(self, features: int, spatial: int) -> nn.Module:
        # One group of all channels: layer normalisation for any number of spatial dims.
        return torch.nn.GroupNorm(1, features, eps=self.eps)


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the normalisations."""
    register("none", NoNorm)
    register("bn", BatchNorm)
    register("ln", LayerNorm)
