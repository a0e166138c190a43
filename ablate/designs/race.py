"""A race between candidates that are run with the same seeds: who leads, and who need not run on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from ablate.lazy import stats

LEVEL = 0.05
"""A candidate leaves where the one-sided paired t test against the leader has a p value below this."""

Scores = Sequence[float | None]
"""The scores of one candidate, seed by seed, more being better; None for a run that failed."""


def leader(scores: Sequence[Scores]) -> int:
    """Return who leads: the fewest failed runs, then the best mean, then the first.

    The mean is over the seeds with which none of those with the fewest failures failed, so that it is paired.
    """
    fewest = min(_failures(own) for own in scores)
    equals = [index for index, own in enumerate(scores) if _failures(own) == fewest]
    finished = [row for row in zip(*(scores[index] for index in equals), strict=True) if None not in row]
    means = [fmean(value for value in own if value is not None) for own in zip(*finished, strict=True)]
    return equals[means.index(max(means))] if means else equals[0]


def survivors(scores: Sequence[Scores]) -> list[int]:
    """Return who stays in the race: the leader, and whoever is not clearly behind.

    Behind is who failed more often than the leader, or whose paired differences to the leader are significant.
    """
    first = leader(scores)
    return [index for index, own in enumerate(scores) if index == first or not _behind(own, scores[first])]


def _behind(own: Scores, best: Scores) -> bool:
    if _failures(own) > _failures(best):
        return True
    gaps = [b - a for a, b in zip(own, best, strict=True) if a is not None and b is not None]
    if len(gaps) < 2:
        return False
    spread = stdev(gaps) / math.sqrt(len(gaps))
    if spread == 0:  # without noise there is nothing to test
        return fmean(gaps) > 0
    return float(stats.t.sf(fmean(gaps) / spread, len(gaps) - 1)) < LEVEL


def _failures(scores: Scores) -> int:
    return sum(score is None for score in scores)
