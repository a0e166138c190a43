"""Optimizers: the update rule of the weights. w weights · g gradient · t step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.checks import fraction, not_negative, positive
from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Optimizer

if TYPE_CHECKING:
    from torch import nn


@dataclass
class SGD(Optimizer):
    """w ← w - lr · g: gradient descent on mini-batches."""

    lr: float = 0.1

    def __post_init__(self) -> None:
        positive(lr=self.lr)

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(params, lr=self.lr)


@dataclass
class Momentum(Optimizer):
    """v ← momentum · v + g, w ← w - lr · v: the heavy ball (Polyak 1964; Sutskever et al. 2013)."""

    lr: float = 0.01
    momentum: float = 0.9

    def __post_init__(self) -> None:
        positive(lr=self.lr)
        fraction(momentum=self.momentum)

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(params, lr=self.lr, momentum=self.momentum)


@dataclass
class RMSprop(Optimizer):
    """Steps divided by a running root mean square of g (Tieleman & Hinton 2012).

    v ← alpha · v + (1 - alpha) · g², w ← w - lr · g / (√v + eps).
    """

    lr: float = 1e-3
    alpha: float = 0.99
    eps: float = 1e-8

    def __post_init__(self) -> None:
        positive(lr=self.lr)
        fraction(alpha=self.alpha)
        not_negative(eps=self.eps)

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(params, lr=self.lr, alpha=self.alpha, eps=self.eps)


@dataclass
class Adam(Optimizer):
    """Momentum over a running root mean square, both corrected for their start at zero (arXiv:1412.6980).

    m ← beta1 · m + (1 - beta1) · g, v ← beta2 · v + (1 - beta2) · g²,
    w ← w - lr · m/(1 - beta1ᵗ) / (√(v/(1 - beta2ᵗ)) + eps).
    """

    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        positive(lr=self.lr)
        fraction(beta1=self.beta1, beta2=self.beta2)
        not_negative(eps=self.eps)

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(params, lr=self.lr, betas=(self.beta1, self.beta2), eps=self.eps)


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the optimizers."""
    register("sgd", SGD)
    register("momentum", Momentum)
    register("rmsprop", RMSprop)
    register("adam", Adam)
