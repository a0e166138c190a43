"""Tests of paired differences, one per seed, for many contrasts at once."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from ablate.analysis.convergence import Floats
from ablate.analysis.evidence import TINY, Paired, Verdict, called, same
from ablate.analysis.measure import Metric
from ablate.analysis.power import needed
from ablate.analysis.reach import flips_needed

SMOKE = 5
"""Fewer seeds than these give no verdict."""
RESAMPLES = 9999
"""Sign flips that are drawn where all 2^n are more, from fourteen seeds on; more for a family of more than 125."""
BATCH = 2000
ALL = 13
"""With up to so many seeds all patterns of signs are counted."""


def paired(
    differences: Sequence[Floats],
    metric: Metric,
    confidence: float = 0.95,
    cut: Sequence[bool] | None = None,
    slack: Sequence[float] | None = None,
) -> list[Paired]:
    """Test each contrast's per-seed differences (seeds,) and judge them as one family.

    Interval and p: ``scipy.stats.ttest_1samp``; sign flips: ``flips``; equivalence: ``statsmodels`` ``ttost_paired``,
    and sign flips of the differences from either margin; family: ``holm``. An effect is called if both Holm-adjusted p
    are at most 1 − ``confidence``, an equivalence likewise, and only with so many seeds that an effect could be called.
    Contrasts in which times were ``cut`` off at the budget are never called equivalent: what was cut off may differ.
    ``slack`` is by how much each mean may be off: the margin for an equivalence is smaller by that.
    """
    found = estimates(differences, metric, confidence, slack)
    for index, short in enumerate(cut or ()):
        if short:
            found[index] = replace(found[index], cut=True, p_equivalent=None)
    for at in _by_seeds(differences):
        if len(differences[at[0]]) > 1:
            drawn = resamples(sum(len(one) > 1 for one in differences), 1 - confidence)
            stacked = np.stack([differences[index] for index in at])
            more, less = flips(stacked, drawn)
            for index, p in zip(at, np.minimum(1.0, 2 * np.minimum(more, less)), strict=True):
                found[index] = replace(found[index], p_flip=float(p))
            if metric.bound is not None:
                room = np.array([[metric.bound - min(found[index].slack, metric.bound)] for index in at])
                beyond = np.maximum(flips(stacked + room, drawn)[0], flips(stacked - room, drawn)[1])
                for index, p in zip(at, beyond, strict=True):
                    barred = found[index].p_equivalent is None
                    found[index] = replace(found[index], p_equivalent_flip=None if barred else float(p))
    return _judged(found)


def estimates(
    differences: Sequence[Floats], metric: Metric, confidence: float = 0.95, slack: Sequence[float] | None = None
) -> list[Paired]:
    """Return each contrast's mean with its t interval, t test and equivalence test, without a verdict."""
    slack = slack or [0.0] * len(differences)
    found: dict[int, Paired] = {}
    for at in _by_seeds(differences):
        stacked = np.stack([differences[index] for index in at])
        found |= dict(zip(at, _tested(stacked, metric, confidence, [slack[index] for index in at]), strict=True))
    return [found[index] for index in range(len(differences))]


def _by_seeds(differences: Sequence[Floats]) -> list[list[int]]:
    """Return the contrasts with one number of seeds each, to be tested at once."""
    groups: dict[int, list[int]] = {}
    for index, one in enumerate(differences):
        groups.setdefault(len(one), []).append(index)
    return list(groups.values())


def resamples(family: int, alpha: float) -> int:
    """Return how many sign flips to draw, so that the least p, 2 / (n + 1), is half of what the family asks for."""
    return max(RESAMPLES, math.ceil(4 * family / alpha) - 1)


def flips(differences: Floats, drawn: int = RESAMPLES) -> tuple[Floats, Floats]:
    """Return the one-sided p of sign flips of (contrasts, seeds): the shares of patterns of signs whose mean is at
    least, and at most, the one seen. All patterns up to thirteen seeds; beyond, ``drawn`` ones and the one seen.

    As ``scipy.stats.permutation_test`` of samples, with the same patterns for all contrasts, which is a product of two
    matrices.
    """
    seeds = differences.shape[1]
    if seeds <= ALL:
        signs = 1.0 - 2.0 * (np.arange(2**seeds)[:, None] >> np.arange(seeds) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(drawn, seeds))
        signs = np.vstack([np.ones(seeds), signs])
    seen, slack = differences.sum(axis=1), 1e-12 * np.abs(differences).sum(axis=1)
    more, less = np.zeros(len(differences)), np.zeros(len(differences))
    for start in range(0, len(signs), BATCH):
        sums = signs[start : start + BATCH] @ differences.T  # (patterns, contrasts)
        more += (sums >= seen - slack).sum(axis=0)
        less += (sums <= seen + slack).sum(axis=0)
    return more / len(signs), less / len(signs)


def _tested(differences: Floats, metric: Metric, confidence: float, slack: Sequence[float]) -> list[Paired]:
    """Test contrasts with one number of seeds: (contrasts, seeds)."""
    contrasts, seeds = differences.shape
    means = differences.mean(axis=1)
    if seeds < 2:
        return [Paired(metric, (float(one),), float(one), None, confidence, None, None, None) for one in means]
    flat = same(differences)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # no variance: the limits are put in below
        student = stats.ttest_1samp(differences, 0.0, axis=1)
        interval = student.confidence_interval(confidence)
        equivalent = None
        if metric.bound is not None:
            margin = metric.bound - np.minimum(slack, metric.bound)
            equivalent = ttost_paired(differences.T, np.zeros_like(differences.T), -margin, margin)[0]
            equivalent = np.where(flat, np.where(np.abs(means) < margin, 0.0, 1.0), equivalent)
    zero = flat & (np.abs(means) <= TINY)
    p = np.where(zero, 1.0, np.where(flat, 0.0, student.pvalue))
    low = np.where(flat, means, interval.low)
    high = np.where(flat, means, interval.high)
    return [
        Paired(
            metric,
            tuple(differences[at].tolist()),
            float(means[at]),
            (float(low[at]), float(high[at])),
            confidence,
            float(p[at]),
            None,
            None if equivalent is None or slack[at] >= (metric.bound or 0.0) else float(equivalent[at]),
            slack=slack[at],
        )
        for at in range(contrasts)
    ]


def _judged(family: list[Paired]) -> list[Paired]:
    """Adjust the family's p values by Holm, and give verdicts."""
    p = holm([one.p for one in family])
    flipped = holm([one.p_flip for one in family])
    equivalent = holm([one.p_equivalent for one in family])
    within = holm([one.p_equivalent_flip for one in family])
    size = sum(one.p is not None for one in family)
    judged = []
    for at, one in enumerate(family):
        adjusted = replace(
            one,
            p_holm=p[at],
            p_flip_holm=flipped[at],
            p_equivalent_holm=equivalent[at],
            p_equivalent_flip_holm=within[at],
            family=max(size, 1),
        )
        judged.append(replace(adjusted, verdict=_verdict(adjusted)))
    undecided = [at for at, one in enumerate(judged) if one.verdict is Verdict.inconclusive]
    for at, one in zip(undecided, needed([judged[at] for at in undecided]), strict=True):
        judged[at] = one
    return judged


def _verdict(one: Paired) -> Verdict:
    alpha = 1 - one.confidence
    if one.seeds < SMOKE or one.p_holm is None or one.p_flip_holm is None:
        return Verdict.unjudged
    if one.p_holm <= alpha and one.p_flip_holm <= alpha:
        return called(one.metric, one.mean)
    if one.seeds < flips_needed(alpha / one.family):
        return Verdict.inconclusive  # no effect can be called: that none was says nothing
    same_everywhere = one.constant and abs(one.mean) <= TINY and not one.cut and not one.coarse
    return Verdict.none if one.equivalent or same_everywhere else Verdict.inconclusive


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
