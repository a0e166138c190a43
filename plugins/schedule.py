"""Schedules: the learning rate over the optimizer steps of a run. t step · T total steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.checks import at_least
from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Schedule

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


@dataclass
class NoSchedule(Schedule):
    """Constant learning rate."""

    def build(self, optimizer: Optimizer, total_steps: int) -> LRScheduler | None:
        return None


@dataclass
class Cosine(Schedule):
    """Half a cosine from the chosen rate down to ``final`` times it (Loshchilov & Hutter 2016, arXiv:1608.03983).

    factor(t) = final + (1 - final) · (1 + cos(π t / T)) / 2.
    """

    final: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.final <= 1:
            raise ValueError(f"final must be in [0, 1], not {self.final}")

    def build(self, optimizer: Optimizer, total_steps: int) -> LRScheduler | None:
        def factor(t: int) -> float:
            progress = min(t / total_steps, 1.0)
            return self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2

        return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


@dataclass
class Step(Schedule):
    """Rate multiplied by ``gamma`` at each of ``drops`` evenly spaced points of the run.

    factor(t) = gamma^⌊t (drops + 1) / T⌋.
    """

    gamma: float = 0.1
    drops: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.gamma <= 1:
            raise ValueError(f"gamma must be in (0, 1], not {self.gamma}")
        at_least(1, drops=self.drops)

    def build(self, optimizer: Optimizer, total_steps: int) -> LRScheduler | None:
        def factor(t: int) -> float:
            return float(self.gamma ** min(t * (self.drops + 1) // total_steps, self.drops))

        return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the schedules."""
    register("none", NoSchedule)
    register("cosine", Cosine)
    register("step", Step)
