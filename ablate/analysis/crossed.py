"""Means of the cells of two crossed factors: what an interaction plot shows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from ablate.analysis.convergence import Floats
from ablate.analysis.measure import Metric, Scale, as_metric
from ablate.analysis.table import check, tabulate
from ablate.analysis.times import times

COLUMNS = ["factor", "level", "other", "other_level", "mean", "low", "high", "seeds"]


def cells(
    frame: pd.DataFrame,
    factors: Sequence[str],
    metric: Metric | str,
    *,
    confidence: float = 0.95,
    budget: float | str | None = None,
    seed: str = "seed",
) -> pd.DataFrame:
    """Return the mean of each pair of levels of each two factors: the columns of ``COLUMNS``, in the metric's own unit.

    Runs are averaged over the other factors within each seed first, and the interval is Student's t over the seeds, of
    each cell by itself (``scipy.stats.t``); it is NaN with one seed. Ratios are averaged as log2, so that the mean is
    the geometric one; a time that was not reached counts as ``budget``, as for ``effects``. Only seeds count that have
    all runs of the cell.
    """
    measured = as_metric(metric)
    check(frame, [measured.column])
    table = tabulate(frame, factors, seed)
    own = times(table, measured, budget).restricted if measured.censored else table.column(measured.column)
    values = measured.on_test_scale(own)
    rows = []
    for one, other in itertools.combinations(table.factors, 2):
        for (a, level), (b, other_level) in itertools.product(
            enumerate(table.levels[one]), enumerate(table.levels[other])
        ):
            arms = table.at(one, a) & table.at(other, b)
            if arms.any():
                found = _mean(values[arms].mean(axis=0), measured, confidence)
                rows.append((one, level, other, other_level, *found))
    return pd.DataFrame(rows, columns=COLUMNS)


def _mean(seeds: Floats, metric: Metric, confidence: float) -> tuple[float, float, float, int]:
    """Return mean, lower and upper end, and the number of seeds that have a value."""
    known = seeds[np.isfinite(seeds)]
    if not len(known):
        return float("nan"), float("nan"), float("nan"), 0
    mean = float(known.mean())
    half = float("nan")
    if len(known) > 1:
        error = known.std(ddof=1) / np.sqrt(len(known))
        half = float(stats.t.ppf((1 + confidence) / 2, len(known) - 1) * error)
    ends = np.array([mean, mean - half, mean + half])
    mean, low, high = np.exp2(ends) if metric.scale is Scale.ratio else ends
    return float(mean), float(low), float(high), len(known)
