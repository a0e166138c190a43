"""Optimizers and schedules with one fault each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ablate.checks import positive
from ablate.techniques import (
    Optimizer,
    Schedule,
)


class Rule(torch.optim.Optimizer):
    """w ← w - lr · direction, with a fault of choice."""

    steps = 0

    def __init__(self, params: Iterable[nn.Parameter], lr: float, fault: str) -> None:
        super().__init__(params, {"lr": lr})
        self.lr, self.fault = lr, fault
        self.velocity: dict[Tensor, Tensor] = {}

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None and self.fault != "no closure":
            with torch.set_grad_enabled(self.fault != "no gradients"):
                loss = closure()
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is None:
                    if self.fault == "decays all":
                        w.mul_(0.9)
                    continue
                rate = self.lr if self.fault == "fixed rate" else group["lr"]
                w.add_(self.direction(w, w.grad), alpha=-rate)
        return None if self.fault == "no loss" else loss

    def direction(self, w: Tensor, g: Tensor) -> Tensor:
        if self.fault == "ascends":
            return -g
        if self.fault == "state elsewhere":
            self.velocity[w] = 0.9 * self.velocity.get(w, torch.zeros_like(g)) + g
            return self.velocity[w]
        if self.fault == "shared":
            Rule.steps += 1
            return g / Rule.steps
        if self.fault == "float32":
            v: Tensor = 0.9 * self.state[w].get("v", torch.zeros(g.shape)) + g.float()
            self.state[w]["v"] = v
            return v.to(g)
        if self.fault == "whole":
            unit: Tensor = g / g.norm()
            return unit
        if self.fault == "adam":
            zero, state = torch.zeros_like(g), self.state[w]
            state["m"] = 0.9 * state.get("m", zero) + 0.1 * g
            state["v"] = 0.999 * state.get("v", zero) + 0.001 * g * g
            step: Tensor = state["m"] / (state["v"].sqrt() + 1e-8)
            return step
        return g


@dataclass
class Faulty(Optimizer):
    """w ← w - lr · g, with a fault."""

    lr: float = 0.1
    fault: ClassVar[str] = ""

    def __post_init__(self) -> None:
        positive(lr=self.lr)

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return Rule(params, self.lr, self.fault)


@dataclass
class Ascends(Faulty):
    """w ← w + lr · g."""

    fault: ClassVar[str] = "ascends"


@dataclass
class Crawls(Faulty):
    """w ← w - lr · g, lr too small to get anywhere."""

    lr: float = 1e-5


@dataclass
class StateElsewhere(Faulty):
    """v ← 0.9 v + g, w ← w - lr · v, v in an attribute."""

    fault: ClassVar[str] = "state elsewhere"


@dataclass
class FixedRate(Faulty):
    """w ← w - lr · g, lr from the constructor."""

    fault: ClassVar[str] = "fixed rate"


@dataclass
class DecaysAll(Faulty):
    """w ← w - lr · g, and 0.9 w where there is no g."""

    fault: ClassVar[str] = "decays all"


@dataclass
class NoClosure(Faulty):
    """w ← w - lr · g; the closure is not called."""

    fault: ClassVar[str] = "no closure"


@dataclass
class NoGradients(Faulty):
    """w ← w - lr · g; the closure is called without gradients."""

    fault: ClassVar[str] = "no gradients"


@dataclass
class NoLoss(Faulty):
    """w ← w - lr · g; the loss is not returned."""

    fault: ClassVar[str] = "no loss"


@dataclass
class SharesItsCount(Faulty):
    """w ← w - lr · g / t, t counted over all optimizers."""

    fault: ClassVar[str] = "shared"


@dataclass
class Float32State(Faulty):
    """v ← 0.9 v + g in float32, w ← w - lr · v."""

    fault: ClassVar[str] = "float32"


@dataclass
class LooksAtTheWhole(Faulty):
    """w ← w - lr · g / ‖g‖."""

    elementwise: ClassVar[bool] = True
    fault: ClassVar[str] = "whole"


@dataclass
class AdamWithoutCorrection(Faulty):
    """m ← 0.9 m + 0.1 g, v ← 0.999 v + 0.001 g², w ← w - lr · m / (√v + 1e-8): not as in arXiv:1412.6980."""

    lr: float = 1e-3
    fault: ClassVar[str] = "adam"


@dataclass
class NeverMoves(Schedule):
    """factor(t) = 1."""

    def build(self, optimizer: torch.optim.Optimizer, total_steps: int) -> torch.optim.lr_scheduler.LRScheduler | None:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1.0)


@dataclass
class GoesNegative(Schedule):
    """factor(t) = 1 - 2 t / T."""

    def build(self, optimizer: torch.optim.Optimizer, total_steps: int) -> torch.optim.lr_scheduler.LRScheduler | None:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 - 2 * t / total_steps)


@dataclass
class CyclesBetas(Schedule):
    """One cycle, of the betas too (arXiv:1708.07120)."""

    def build(self, optimizer: torch.optim.Optimizer, total_steps: int) -> torch.optim.lr_scheduler.LRScheduler | None:
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.1, total_steps + 3, cycle_momentum="betas" in optimizer.defaults
        )


@dataclass
class CountsInAClosure(Schedule):
    """factor = 0.9ⁿ, n counted where no checkpoint sees it."""

    def build(self, optimizer: torch.optim.Optimizer, total_steps: int) -> torch.optim.lr_scheduler.LRScheduler | None:
        calls = [0]

        def factor(t: int) -> float:
            calls[0] += 1
            return float(0.9 ** calls[0])

        return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


@dataclass
class ShrinksWeights(Schedule):
    """factor(t) = 0.9ᵗ, and w ← 0.9 w."""

    def build(self, optimizer: torch.optim.Optimizer, total_steps: int) -> torch.optim.lr_scheduler.LRScheduler | None:
        for group in optimizer.param_groups:
            for w in group["params"]:
                w.data.mul_(0.9)
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: float(0.9**t))
