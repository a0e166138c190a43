"""Tests of paired differences, one per seed, for many contrasts at once."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from scipy import stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from ablate.analysis.convergence import Floats
from ablate.analysis.measure import Metric

SMOKE = 5
"""Fewer seeds than these give no verdict."""
RESAMPLES = 9999
"""Sign flips that are drawn where all 2^n are more; with twelve seeds they are not."""
POWER = 0.8
SEEDS_LIMIT = 1000


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


@dataclass(frozen=True)
class Paired:
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
    p_holm: float | None = None
    """The same three, adjusted by Holm within the family."""
    p_flip_holm: float | None = None
    p_equivalent_holm: float | None = None
    family: int = 1
    """The number of contrasts that the adjustment counts."""
    verdict: Verdict = Verdict.unjudged
    seeds_needed: int | None = None
    """Where inconclusive: the seeds that would decide it; None for more than 1000."""
    cut: bool = False
    """Whether some of the times end at the budget, so that a small difference does not mean that there is none."""
    needed_for: float | None = None
    """The size of the difference that these are counted for, on the scale of the test."""

    @property
    def seeds(self) -> int:
        """The number of seeds."""
        return len(self.differences)

    @property
    def estimate(self) -> float:
        """The mean difference in the unit of the metric: a ratio, points, or as it is."""
        return self.metric.in_unit(self.mean)

    @property
    def low(self) -> float | None:
        """The lower end of the interval in the unit of the metric."""
        return None if self.interval is None else self.metric.in_unit(self.interval[0])

    @property
    def high(self) -> float | None:
        """The upper end of the interval in the unit of the metric."""
        return None if self.interval is None else self.metric.in_unit(self.interval[1])

    @property
    def sd(self) -> float | None:
        """Standard deviation of the differences."""
        return float(np.std(self.differences, ddof=1)) if self.seeds > 1 else None

    @property
    def constant(self) -> bool:
        """Whether the difference is the same in every seed, so that there is no variance to test against."""
        return self.seeds > 1 and bool(_same(np.array(self.differences)))


def paired(
    differences: Sequence[Floats], metric: Metric, confidence: float = 0.95, cut: Sequence[bool] | None = None
) -> list[Paired]:
    """Test each contrast's per-seed differences (seeds,) and judge them as one family.

    Interval and p: ``scipy.stats.ttest_1samp``; sign flips: ``scipy.stats.permutation_test`` (all 2^n of them up to
    thirteen seeds, 9999 drawn beyond); equivalence: ``statsmodels`` ``ttost_paired``; family: Holm,
    ``multipletests``. An effect is called if both Holm-adjusted p are at most 1 − ``confidence``. Contrasts in
    which times were ``cut`` off at the budget are never called equivalent: what was cut off may differ.
    """
    found = estimates(differences, metric, confidence)
    for index, short in enumerate(cut or ()):
        if short:
            found[index] = replace(found[index], cut=True, p_equivalent=None)
    for at in _by_seeds(differences):
        if len(differences[at[0]]) > 1:
            flips = _flips(np.stack([differences[index] for index in at]))
            for index, p in zip(at, flips, strict=True):
                found[index] = replace(found[index], p_flip=float(p))
    return _judged(found)


def estimates(differences: Sequence[Floats], metric: Metric, confidence: float = 0.95) -> list[Paired]:
    """Return each contrast's mean with its t interval, t test and equivalence test, without a verdict."""
    found: dict[int, Paired] = {}
    for at in _by_seeds(differences):
        stacked = np.stack([differences[index] for index in at])
        found |= dict(zip(at, _tested(stacked, metric, confidence), strict=True))
    return [found[index] for index in range(len(differences))]


def _by_seeds(differences: Sequence[Floats]) -> list[list[int]]:
    """Return the contrasts with one number of seeds each, to be tested at once."""
    groups: dict[int, list[int]] = {}
    for index, one in enumerate(differences):
        groups.setdefault(len(one), []).append(index)
    return list(groups.values())


def _flips(differences: Floats) -> Floats:
    """Return p of the sign-flip tests of (contrasts, seeds)."""
    test = stats.permutation_test(
        (differences,),
        lambda sample, axis: sample.mean(axis=axis),
        permutation_type="samples",
        n_resamples=RESAMPLES,
        vectorized=True,
        axis=-1,
        batch=500,
        rng=np.random.default_rng(0),
    )
    p: Floats = test.pvalue
    return p


def _tested(differences: Floats, metric: Metric, confidence: float) -> list[Paired]:
    """Test contrasts with one number of seeds: (contrasts, seeds)."""
    contrasts, seeds = differences.shape
    means = differences.mean(axis=1)
    if seeds < 2:
        return [Paired(metric, (float(one),), float(one), None, confidence, None, None, None) for one in means]
    same = _same(differences)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # no variance: the limits are put in below
        student = stats.ttest_1samp(differences, 0.0, axis=1)
        interval = student.confidence_interval(confidence)
        margin = metric.bound
        equivalent = None
        if margin is not None:
            equivalent = ttost_paired(differences.T, np.zeros_like(differences.T), -margin, margin)[0]
            equivalent = np.where(same, np.where(np.abs(means) < margin, 0.0, 1.0), equivalent)
    zero = same & (np.abs(means) <= _TINY)
    p = np.where(zero, 1.0, np.where(same, 0.0, student.pvalue))
    low = np.where(same, means, interval.low)
    high = np.where(same, means, interval.high)
    return [
        Paired(
            metric,
            tuple(differences[at].tolist()),
            float(means[at]),
            (float(low[at]), float(high[at])),
            confidence,
            float(p[at]),
            None,
            None if equivalent is None else float(equivalent[at]),
        )
        for at in range(contrasts)
    ]


def _judged(family: list[Paired]) -> list[Paired]:
    """Adjust the family's p values by Holm, and give verdicts."""
    p = holm([one.p for one in family])
    flips = holm([one.p_flip for one in family])
    equivalent = holm([one.p_equivalent for one in family])
    size = sum(one.p is not None for one in family)
    judged = []
    for at, one in enumerate(family):
        adjusted = replace(
            one, p_holm=p[at], p_flip_holm=flips[at], p_equivalent_holm=equivalent[at], family=max(size, 1)
        )
        judged.append(replace(adjusted, verdict=_verdict(adjusted)))
    undecided = [at for at, one in enumerate(judged) if one.verdict is Verdict.inconclusive]
    for at, one in zip(undecided, _needed([judged[at] for at in undecided]), strict=True):
        judged[at] = one
    return judged


def _verdict(one: Paired) -> Verdict:
    alpha = 1 - one.confidence
    if one.seeds < SMOKE or one.p_holm is None or one.p_flip_holm is None:
        return Verdict.unjudged
    if one.p_holm <= alpha and one.p_flip_holm <= alpha:
        good = one.mean * one.metric.sign > 0
        if one.metric.pace:
            return Verdict.faster if good else Verdict.slower
        return Verdict.better if good else Verdict.worse
    if one.constant and abs(one.mean) <= _TINY and not one.cut:
        return Verdict.none
    if one.p_equivalent_holm is not None and one.p_equivalent_holm <= alpha:
        return Verdict.none
    return Verdict.inconclusive


def _needed(undecided: list[Paired]) -> list[Paired]:
    """Add how many seeds would decide each contrast, with a power of 0.8 and the family's Bonferroni level.

    Enough to find a difference as large as the margin, or to show that it is smaller where there is none (each of the
    one-sided tests then needs a power of 0.9). Where the whole interval lies beyond the margin, enough to find its end
    nearer to none (Perugini, Gallucci & Costantini 2014, Perspectives on Psychological Science 9): power at the
    observed difference says no more than its p value (Hoenig & Heisey 2001, The American Statistician 55). Without a
    margin nothing else is known, and the observed difference it is. Never fewer than the sign-flip test can reach the
    level with.
    """
    if not undecided:
        return []
    bound = undecided[0].metric.bound
    least = np.array([_least(one, bound) for one in undecided])
    with np.errstate(divide="ignore"):
        sizes = least / np.array([0.0 if one.constant or one.sd is None else one.sd for one in undecided])
    alpha = (1 - undecided[0].confidence) / undecided[0].family
    find = _seeds(sizes, alpha, POWER, "two-sided")
    if bound is not None:
        show = _seeds(sizes, alpha, (1 + POWER) / 2, "larger")
        find = np.where(least > bound, find, np.maximum(find, show))
    have = np.array([one.seeds for one in undecided])
    needed = np.maximum.reduce([find, np.full_like(find, flips_needed(alpha)), have + 1.0])
    return [
        replace(one, seeds_needed=int(count) if count < SEEDS_LIMIT else None, needed_for=float(size))
        for one, count, size in zip(undecided, needed, least, strict=True)
    ]


def _least(one: Paired, bound: float | None) -> float:
    """Return the size of the difference that seeds are counted for, on the scale of the test."""
    if bound is None or one.interval is None:
        return abs(one.mean)
    low, high = one.interval
    return max(bound, low, -high)


def flips_needed(alpha: float) -> int:
    """Return with how many seeds the two-sided p of the sign-flip test, at least 2 / 2^n, can reach ``alpha``."""
    return math.ceil(1 - math.log2(alpha) - 1e-9)


def _seeds(sizes: Floats, alpha: float, power: float, alternative: str) -> Floats:
    """Return the fewest seeds with which a paired t test has the power, by bisection of ``TTestPower().power``."""
    low = np.ones_like(sizes)
    high = np.full_like(sizes, SEEDS_LIMIT)
    bounded = np.clip(sizes, 1e-6, 20.0)  # beyond these the non-central t has no digits left, and nobody asks
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        reached = TTestPower().power(bounded, np.maximum(middle, 2), alpha, alternative=alternative)
        enough = ~(reached < power)  # far beyond what is needed the non-central t gives NaN
        high, low = np.where(enough, middle, high), np.where(enough, low, middle)
    return high


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Return the p values adjusted by Holm (1979, Scandinavian Journal of Statistics 6): the k-th smallest of m times
    m − k + 1, never less than the one before, at most 1. None, for "no test", is no member of the family.

    By hand, as ``statsmodels`` ``multipletests`` collects garbage at each call, which takes longer than all else here.
    """
    tested = np.array([np.nan if value is None else value for value in p], dtype=float)
    order = np.argsort(tested)[: np.isfinite(tested).sum()]  # NaN sorts last
    adjusted: list[float | None] = [None] * len(p)
    steps = np.maximum.accumulate(tested[order] * np.arange(len(order), 0, -1))
    for index, value in zip(order, np.minimum(steps, 1.0), strict=True):
        adjusted[index] = float(value)
    return adjusted


_TINY = 1e-12


def _same(differences: Floats) -> Any:
    """Return which contrasts have the same difference in every seed, up to rounding."""
    spread = np.ptp(differences, axis=-1)
    return spread <= _TINY * np.maximum(1.0, np.abs(differences).max(axis=-1))
