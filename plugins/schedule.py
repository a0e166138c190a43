"""Schedules: the learning rate over the optimizer steps of a run. t step · T total steps.

Each is a factor of the chosen rate, and keeps its last value after T.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.checks import at_least, fraction, not_negative
from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Schedule

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler


def _share(**values: float) -> None:
    """Refuse values outside [0, 1]."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be in [0, 1], not {value}")


def _decay(gamma: float) -> None:
    """Refuse a factor that does not decay, or decays to nothing."""
    if not 0 < gamma <= 1:
        raise ValueError(f"gamma must be in (0, 1], not {gamma}")


def _half_cosine(start: float, end: float, progress: float) -> float:
    """Return what is between ``start`` and ``end`` where half a cosine leads from one to the other."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


@dataclass
class NoSchedule(Schedule):
    """No schedule: the learning rate stays as chosen."""

    def build(self, optimizer: Optimizer, total_steps: int) -> LRScheduler | None:
        return None


@dataclass
class FactorSchedule(Schedule):
    """A formula for what the chosen rate is multiplied by."""

    def factor(self, t: int, total_steps: int) -> float:
        """Return the factor at step ``t``, which is at most ``total_steps``."""
        raise NotImplementedError

    def build(self, optimizer: Optimizer, total_steps: int) -> LRScheduler | None:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: self.factor(min(t, total_steps), total_steps))


@dataclass
class Linear(FactorSchedule):
    """A straight line from the chosen rate down to ``final`` times it.

    factor(t) = 1 - (1 - final) · t / T.
    """

    final: float = 0.0

    def __post_init__(self) -> None:
        _share(final=self.final)

    def factor(self, t: int, total_steps: int) -> float:
        return 1 - (1 - self.final) * t / total_steps


@dataclass
class Exponential(FactorSchedule):
    """The rate falls by the same factor at every step, and over the whole run by ``gamma``.

    factor(t) = gamma^(t / T). torch's ``ExponentialLR`` has its gamma for each step; this one does not change
    its meaning with the length of the run.
    """

    gamma: float = 0.01

    def __post_init__(self) -> None:
        _decay(self.gamma)

    def factor(self, t: int, total_steps: int) -> float:
        return float(self.gamma ** (t / total_steps))


@dataclass
class Step(FactorSchedule):
    """Rate multiplied by ``gamma`` at each of ``drops`` evenly spaced points of the run.

    factor(t) = gamma^⌊t (drops + 1) / T⌋.
    """

    gamma: float = 0.1
    drops: int = 2

    def __post_init__(self) -> None:
        _decay(self.gamma)
        at_least(1, drops=self.drops)

    def factor(self, t: int, total_steps: int) -> float:
        return float(self.gamma ** min(t * (self.drops + 1) // total_steps, self.drops))


@dataclass
class Cosine(FactorSchedule):
    """Half a cosine from the chosen rate down to ``final`` times it (Loshchilov & Hutter 2016, arXiv:1608.03983).

    factor(t) = final + (1 - final) · (1 + cos(π t / T)) / 2.
    """

    final: float = 0.0

    def __post_init__(self) -> None:
        _share(final=self.final)

    def factor(self, t: int, total_steps: int) -> float:
        return _half_cosine(1, self.final, t / total_steps)


@dataclass
class WarmupCosine(FactorSchedule):
    """A straight line up to the chosen rate, then half a cosine down to ``final`` times it (cf. arXiv:1706.02677).

    With W = warmup · T, rounded: factor(t) = (t + 1) / (W + 1) for t < W, so that no step has a rate of zero,
    and final + (1 - final) · (1 + cos(π (t - W) / (T - W))) / 2 from there on. warmup: a fraction of the run.
    Gradual warm-up is from Goyal et al. 2017, who go down in steps.
    """

    warmup: float = 0.1
    final: float = 0.0

    def __post_init__(self) -> None:
        fraction(warmup=self.warmup)
        _share(final=self.final)

    def factor(self, t: int, total_steps: int) -> float:
        warmup = round(self.warmup * total_steps)
        if t < warmup:
            return (t + 1) / (warmup + 1)
        return _half_cosine(1, self.final, (t - warmup) / max(1, total_steps - warmup))


@dataclass
class OneCycle(FactorSchedule):
    """Up from ``start`` times the chosen rate and down to ``final`` times it, by half cosines (arXiv:1708.07120).

    With P = peak · T: start + (1 - start) · (1 - cos(π t / P)) / 2 up to P, then
    final + (1 - final) · (1 + cos(π (t - P) / (T - P))) / 2. peak: the fraction of the run after which the
    rate is the chosen one. The shape and the defaults are those of torch's ``OneCycleLR``; Smith & Topin 2017
    draw straight lines, down to ``start`` first. Momentum is left alone, which torch's would cycle.
    """

    peak: float = 0.3
    start: float = 0.04
    final: float = 4e-6

    def __post_init__(self) -> None:
        if not 0 < self.peak < 1:
            raise ValueError(f"peak must be in (0, 1), not {self.peak}")
        _share(start=self.start, final=self.final)

    def factor(self, t: int, total_steps: int) -> float:
        progress = t / total_steps
        if progress < self.peak:
            return _half_cosine(self.start, 1, progress / self.peak)
        return _half_cosine(1, self.final, (progress - self.peak) / (1 - self.peak))


@dataclass
class Plateau(Schedule):
    """rate ← gamma · rate when the validation metric of the task has stopped improving.

    Counted in points of the curves (``trainer.validations``): after more than ``patience`` points in a row,
    none better than the best so far by more than ``threshold``. Not below ``final`` times the chosen rate.
    torch's ``ReduceLROnPlateau``, its threshold absolute: the metrics go up to 1, and may be below 0.
    """

    gamma: float = 0.1
    patience: int = 3
    threshold: float = 1e-4
    final: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.gamma < 1:
            raise ValueError(f"gamma must be in (0, 1), not {self.gamma}")
        at_least(0, patience=self.patience)
        not_negative(threshold=self.threshold)
        _share(final=self.final)

    def build(self, optimizer: Optimizer, total_steps: int) -> LRScheduler | None:
        return torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer,
            mode="max",
            factor=self.gamma,
            patience=self.patience,
            threshold=self.threshold,
            threshold_mode="abs",
            min_lr=[self.final * float(group["lr"]) for group in optimizer.param_groups],
            eps=0.0,  # torch skips small changes by default, and a rate may be small
        )


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the schedules."""
    register("none", NoSchedule)
    register("linear", Linear)
    register("exponential", Exponential)
    register("step", Step)
    register("cosine", Cosine)
    register("warmup_cosine", WarmupCosine)
    register("onecycle", OneCycle)
    register("plateau", Plateau)
