"""What the per-seed differences of a contrast say, and what is made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import numpy as np

from ablate.analysis.convergence import Floats
from ablate.analysis.measure import Metric
from ablate.analysis.table import Bools

TINY = 1e-12


class Verdict(StrEnum):
    """What a contrast comes to."""

    faster = "faster"
    slower = "slower"
    better = "better"
    worse = "worse"
    none = "no effect"
    """Equivalent within the margin."""
    inconclusive = "inconclusive"
    unjudged = "no verdict"
    """Too few seeds for one."""

    @property
    def effect(self) -> bool:
        """Whether a difference was found."""
        return self in (Verdict.faster, Verdict.slower, Verdict.better, Verdict.worse)


def called(metric: Metric, mean: float) -> Verdict:
    """Return the verdict on a difference, on the scale of the test, that was found."""
    good = mean * metric.sign > 0
    if metric.pace:
        return Verdict.faster if good else Verdict.slower
    return Verdict.better if good else Verdict.worse


def withhold(one: Paired, why: str) -> Paired:
    """Return it undecided, because of what its numbers do not show."""
    return replace(one, verdict=Verdict.inconclusive, withheld=why, seeds_needed=None, needed_for=None)


class Estimate(Protocol):
    """A difference with its interval, in the unit of the metric; without one None."""

    @property
    def metric(self) -> Metric:
        """What differs."""

    @property
    def estimate(self) -> float:
        """By how much."""

    @property
    def low(self) -> float | None:
        """The lower end."""

    @property
    def high(self) -> float | None:
        """The upper end."""


class InUnit:
    """A difference on the scale of its test, in the unit of its metric as well."""

    metric: Metric
    mean: float
    interval: tuple[float, float] | None

    @property
    def estimate(self) -> float:
        """The difference in the unit of the metric: a ratio, points, or as it is."""
        return self.metric.in_unit(self.mean)

    @property
    def low(self) -> float | None:
        """The lower end of the interval in the unit of the metric."""
        return None if self.interval is None else self.metric.in_unit(self.interval[0])

    @property
    def high(self) -> float | None:
        """The upper end of the interval in the unit of the metric."""
        return None if self.interval is None else self.metric.in_unit(self.interval[1])


@dataclass(frozen=True)
class Paired(InUnit):
    """What the per-seed differences of one contrast say, on the scale of the test; None where too few seeds say it."""

    metric: Metric
    differences: tuple[float, ...]
    """One per seed: log2 for ratios, shares for points."""
    mean: float
    interval: tuple[float, float] | None
    """Student's t, at ``confidence``; not adjusted for the number of contrasts."""
    confidence: float
    p: float | None
    """Student's t, two-sided."""
    p_flip: float | None
    """Sign-flip permutation test, two-sided."""
    p_equivalent: float | None
    """Two one-sided t tests against the margin; None without one."""
    p_equivalent_flip: float | None = None
    """Two one-sided sign-flip tests against the margin."""
    p_holm: float | None = None
    """The same four, adjusted by Holm within the family."""
    p_flip_holm: float | None = None
    p_equivalent_holm: float | None = None
    p_equivalent_flip_holm: float | None = None
    family: int = 1
    """The number of contrasts that the adjustment counts."""
    verdict: Verdict = Verdict.unjudged
    seeds_needed: int | None = None
    """Where inconclusive: the seeds that would decide it; None for more than 1000, or where seeds alone would not."""
    cut: bool = False
    """Whether some of the times end at the budget, so that a small difference does not mean that there is none."""
    slack: float = 0.0
    """By how much the mean may be off at the worst, on the scale of the test, as times lie between two validations."""
    withheld: str = ""
    """Why there is no verdict though the tests would give one, in words."""
    needed_for: float | None = None
    """The size of the difference that these are counted for, on the scale of the test."""

    @property
    def seeds(self) -> int:
        """The number of seeds."""
        return len(self.differences)

    @property
    def coarse(self) -> bool:
        """Whether that alone is as much as the margin."""
        return self.metric.bound is not None and self.slack >= self.metric.bound

    @property
    def equivalent(self) -> bool:
        """Whether both tests show, after Holm, that the difference is smaller than the margin."""
        adjusted = (self.p_equivalent_holm, self.p_equivalent_flip_holm)
        return all(p is not None and p <= 1 - self.confidence for p in adjusted)

    @property
    def sd(self) -> float | None:
        """Standard deviation of the differences."""
        return float(np.std(self.differences, ddof=1)) if self.seeds > 1 else None

    @property
    def constant(self) -> bool:
        """Whether the difference is the same in every seed, so that there is no variance to test against."""
        return self.seeds > 1 and bool(same(np.array(self.differences)))


def same(differences: Floats) -> Bools:
    """Return which contrasts (…, seeds) have the same difference in every seed, up to rounding."""
    spread = np.ptp(differences, axis=-1)
    found: Bools = spread <= TINY * np.maximum(1.0, np.abs(differences).max(axis=-1))
    return found
