"""Activations: elementwise non-linearities after hidden layers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Activation

if TYPE_CHECKING:
    from torch import nn


@dataclass
class Identity(Activation):
    """No activation: x. Layers without one collapse into a single linear map."""

    def build(self) -> nn.Module:
        return torch.nn.Identity()


@dataclass
class ReLU(Activation):
    """max(0, x) (Nair & Hinton 2010)."""

    def build(self) -> nn.Module:
        return torch.nn.ReLU()


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


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the activations."""
    register("identity", Identity)
    register("relu", ReLU)
    register("sigmoid", Sigmoid)
    register("tanh", Tanh)
    register("gelu", GELU)
