"""Options whose steps are divided by what is known of the size of g: RMSprop, Adam and their kin.

w weights · g gradient · t step. Read for every listing, so without torch, as ``optimizer.py`` itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import fraction, not_negative, positive
from ablate.lazy import torch
from ablate.techniques import Optimizer

if TYPE_CHECKING:
    from torch import nn


@dataclass
class RMSprop(Optimizer):
    """Steps divided by a running root mean square of g (Tieleman & Hinton 2012).

    v ← alpha · v + (1 - alpha) · g², w ← w - lr · g / (√v + eps).
    """

    elementwise: ClassVar[bool] = True
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
class Adagrad(Optimizer):
    """v ← v + g², w ← w - lr · g / (√v + eps): rare gradients take longer steps (Duchi et al. 2011, JMLR 12)."""

    elementwise: ClassVar[bool] = True
    lr: float = 1e-2
    eps: float = 1e-10

    def __post_init__(self) -> None:
        positive(lr=self.lr)
        not_negative(eps=self.eps)

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adagrad(params, lr=self.lr, eps=self.eps)


@dataclass
class Adadelta(Optimizer):
    """Steps in the unit of the weights: root mean square of past steps over that of g (Zeiler 2012, arXiv:1212.5701).

    v ← rho · v + (1 - rho) · g², d = √(u + eps) / √(v + eps) · g, u ← rho · u + (1 - rho) · d², w ← w - lr · d.
    The paper has no rate: lr = 1, and rho = 0.95 in its experiments.
    """

    elementwise: ClassVar[bool] = True
    lr: float = 1.0
    rho: float = 0.9
    eps: float = 1e-6

    def __post_init__(self) -> None:
        positive(lr=self.lr, eps=self.eps)  # without eps the first step is zero, and so is every other
        fraction(rho=self.rho)

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adadelta(params, lr=self.lr, rho=self.rho, eps=self.eps)


@dataclass
class Adam(Optimizer):
    """Momentum over a running root mean square, both corrected for their start at zero (arXiv:1412.6980).

    m ← beta1 · m + (1 - beta1) · g, v ← beta2 · v + (1 - beta2) · g²,
    w ← w - lr · m/(1 - beta1ᵗ) / (√(v/(1 - beta2ᵗ)) + eps).
    """

    elementwise: ClassVar[bool] = True
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        positive(lr=self.lr)
        fraction(beta1=self.beta1, beta2=self.beta2)
        not_negative(eps=self.eps)

    @property
    def betas(self) -> tuple[float, float]:
        """Both, as torch takes them."""
        return self.beta1, self.beta2

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(params, lr=self.lr, betas=self.betas, eps=self.eps)


@dataclass
class DecoupledAdam(Adam):
    """Adam with weight decay beside the step: w ← w - lr · weight_decay · w, untouched by the running means."""

    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        not_negative(weight_decay=self.weight_decay)


@dataclass
class AdamW(DecoupledAdam):
    """Adam, and w ← w - lr · weight_decay · w beside its step (Loshchilov & Hutter 2017, arXiv:1711.05101).

    The paper multiplies the decay by the schedule's factor alone; here, as in torch, by the whole rate.
    """

    weight_decay: float = 1e-2

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(params, lr=self.lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay)


@dataclass
class NAdam(DecoupledAdam):
    """Adam with Nesterov's look ahead (Dozat 2016).

    With mₜ = beta1 · (1 - 0.96^(t · momentum_decay) / 2) and P its product up to t, Adam's m/(1 - beta1ᵗ) becomes
    mₜ₊₁ · m/(1 - P mₜ₊₁) + (1 - mₜ) · g/(1 - P). The paper has no weight decay; here it is decoupled.
    """

    lr: float = 2e-3
    momentum_decay: float = 4e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        not_negative(momentum_decay=self.momentum_decay)

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.NAdam(
            params,
            lr=self.lr,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            momentum_decay=self.momentum_decay,
            decoupled_weight_decay=True,
        )


@dataclass
class RAdam(DecoupledAdam):
    """Adam that waits for its root mean square to be known (Liu et al. 2019, arXiv:1908.03265).

    With R = 2/(1 - beta2) - 1 and r = R - 2 t · beta2ᵗ/(1 - beta2ᵗ), the step is Adam's times
    √((r-4)(r-2)R / ((R-4)(R-2)r)) where r > 5, and lr · m/(1 - beta1ᵗ) before. The paper asks for r > 4, and has
    neither eps (here added to √v before its correction) nor weight decay (here decoupled).
    """

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.RAdam(
            params,
            lr=self.lr,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            decoupled_weight_decay=True,
        )
