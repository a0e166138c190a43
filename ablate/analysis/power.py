"""How many seeds would decide a contrast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from statsmodels.stats.power import TTestPower

from ablate.analysis.convergence import Floats
from ablate.analysis.evidence import Paired
from ablate.analysis.reach import flips_needed

POWER = 0.8
SEEDS_LIMIT = 1000
"""More are not counted: nobody trains them."""


def needed(undecided: list[Paired]) -> list[Paired]:
    """Add how many seeds would decide each contrast, with a power of 0.8 and the family's Bonferroni level.

    Enough to find a difference as large as the margin, or to show that it is smaller where there is none (each of the
    one-sided tests then needs a power of 0.9). Where the whole interval lies beyond the margin, enough to find its end
    nearer to none (Perugini, Gallucci & Costantini 2014, Perspectives on Psychological Science 9): power at the
    observed difference says no more than its p value (Hoenig & Heisey 2001, The American Statistician 55). Never fewer
    than the sign-flip test can reach the level with. No number is given where none decides: without a margin, and
    where times were cut off or are not known well enough, nothing would be called equal.
    """
    at = [index for index, one in enumerate(undecided) if decidable(one)]
    told = list(undecided)
    for index, one in zip(at, _counted([undecided[index] for index in at]), strict=True):
        told[index] = one
    return told


def decidable(one: Paired) -> bool:
    """Return whether more seeds alone would decide a contrast, whichever way."""
    return one.metric.bound is not None and not one.cut and not one.coarse


def _counted(undecided: list[Paired]) -> list[Paired]:
    if not undecided:
        return []
    bound = undecided[0].metric.bound or 0.0
    least = np.array([_least(one, bound) for one in undecided])
    room = np.array([bound - one.slack for one in undecided])
    with np.errstate(divide="ignore"):
        spread = np.array([0.0 if one.constant or one.sd is None else one.sd for one in undecided])
        sizes, rooms = least / spread, room / spread
    alpha = (1 - undecided[0].confidence) / undecided[0].family
    find = _seeds(sizes, alpha, POWER, "two-sided")
    show = _seeds(rooms, alpha, (1 + POWER) / 2, "larger")
    find = np.where(least > bound, find, np.maximum(find, show))
    have = np.array([one.seeds for one in undecided])
    needed = np.maximum.reduce([find, np.full_like(find, flips_needed(alpha)), have + 1.0])
    return [
        replace(one, seeds_needed=int(count) if count < SEEDS_LIMIT else None, needed_for=float(size))
        for one, count, size in zip(undecided, needed, least, strict=True)
    ]


def _least(one: Paired, bound: float) -> float:
    """Return the size of the difference that seeds are counted for, on the scale of the test."""
    if one.interval is None:
        return abs(one.mean)
    low, high = one.interval
    return max(bound, low, -high)


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
