"""Two groups of runs that share no seeds: the difference of their means, each run a draw of its own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ablate.analysis.convergence import Floats
from ablate.analysis.evidence import TINY, InUnit, Verdict, called, same
from ablate.analysis.findings import Refusal
from ablate.analysis.inference import RESAMPLES, SMOKE, holm
from ablate.analysis.measure import Metric
from ablate.analysis.table import Table, tabulate
from ablate.analysis.times import Times, times
from ablate.analysis.wording import MORE_SEEDS, difference, probability, setting
from ablate.analysis.words import counted, listed

NEVER = "no run reached the target within the budget"


@dataclass(frozen=True)
class Unpaired(InUnit):
    """One level of a factor against another, without pairs; None where too few runs say it."""

    factor: str
    level: Any
    baseline: Any
    within: tuple[str, Any] | None
    """The factor and level that this was looked at within; None for all."""
    metric: Metric
    mean: float
    """The difference of the two means on the scale of the test: log2 for ratios, shares for points."""
    interval: tuple[float, float] | None
    """Welch's t, at ``confidence``; not adjusted for the number of contrasts."""
    confidence: float
    p: float | None
    """Welch's t, two-sided."""
    p_permutation: float | None
    """Permutation test of the two groups, two-sided."""
    runs: tuple[int, int]
    """How many of the level and of the baseline have a value."""
    means: tuple[float, float]
    """Of the two, in the metric's own unit; for times the restricted means."""
    censored: tuple[int, int] | None
    """How many did not reach the target within the common budget; None where nothing is censored."""
    p_holm: float | None = None
    """The same two p, adjusted by Holm within the family."""
    p_permutation_holm: float | None = None
    family: int = 1
    verdict: Verdict = Verdict.unjudged

    @property
    def name(self) -> str:
        """What is compared with what."""
        inside = f" within {setting(*self.within)}" if self.within else ""
        return f"{setting(self.factor, self.level)} against {setting(self.factor, self.baseline)}{inside}"

    def sentence(self) -> str:
        """Return the contrast as a line."""
        return f"{self.name}: {difference(self)}: {self._conclusion()}."

    def _conclusion(self) -> str:
        sizes = f"unpaired, {self.runs[0]} and {counted(self.runs[1], 'run')}"
        if self.p is None:
            return f"{sizes}: one run has no spread, so there is no interval and no verdict; {MORE_SEEDS}"
        if self.verdict is Verdict.unjudged:
            return f"{sizes}: no verdict below {SMOKE} each; {MORE_SEEDS}"
        tests = sizes
        if self.p_holm is not None and self.p_permutation_holm is not None:
            tests += f"; {probability('Welch test', self.p_holm)}"
            tests += f", {probability('permutations', self.p_permutation_holm)}"
            tests += f", Holm over {counted(self.family, 'contrast')}" if self.family > 1 else ""
        return f"{self.verdict} ({tests})"


def unpaired(
    frame: pd.DataFrame,
    factor: str,
    metrics: Sequence[Metric],
    *,
    baseline: Any,
    by: str | None = None,
    confidence: float = 0.95,
    budget: float | str | None = None,
    seed: str = "seed",
) -> tuple[list[Unpaired], list[Refusal]]:
    """Return each level of ``factor`` against the baseline, for each metric, and what has no runs to compare; with
    ``by``, within each of its levels.

    For groups that share no seeds: Welch's t test and interval (1947, Biometrika 34; ``scipy.stats.ttest_ind`` with
    ``equal_var=False``) and a permutation test of the difference of means (``scipy.stats.permutation_test``); an effect
    is called if both agree after Holm over the contrasts of a metric, from five runs a side on. What the seeds have in
    common is in the spread, so that pairs would tell more. A time that was not reached counts as the common budget.
    """
    found: list[Unpaired] = []
    refused: list[Refusal] = []
    parts = [(None, frame)] if by is None else [((by, level), rows) for level, rows in frame.groupby(by, sort=False)]
    whole = tabulate(frame, [factor, *([by] if by else [])], seed, {factor: baseline})
    for metric in metrics:
        family = []
        common = times(whole, metric, budget).budget if metric.censored else None
        for within, rows in parts:
            table = tabulate(rows, [factor], seed, {factor: baseline})
            for level in range(1, len(table.levels[factor])):
                timed = None if common is None else replace(times(table, metric, budget), budget=common)
                one = _contrast(table, factor, level, within, metric, timed, confidence)
                family += [one] if isinstance(one, Unpaired) else []
                refused += [one] if isinstance(one, Refusal) else []
        found += _judged(family)
    return found, refused


def _contrast(
    table: Table,
    factor: str,
    level: int,
    within: tuple[str, Any] | None,
    metric: Metric,
    timed: Times | None,
    confidence: float,
) -> Unpaired | Refusal:
    """Compare a level with the first, or say why that cannot be."""
    own = timed.restricted if timed else table.column(metric.column)
    values = metric.on_test_scale(own)
    levels = [table.levels[factor][at] for at in (level, 0)]
    cells = [table.at(factor, at)[:, None] & np.isfinite(values) for at in (level, 0)]
    one, other = (values[cell] for cell in cells)
    name = " against ".join(setting(factor, value) for value in levels)
    if lost := [setting(factor, value) for value, cell in zip(levels, cells, strict=True) if not cell.any()]:
        return Refusal((f"{metric.name} of {name}",), f"no run of {listed(lost)} has it")
    if timed and all(timed.censored[cell].all() for cell in cells):
        return Refusal((f"{metric.name} of {name}",), NEVER)
    mean = float(one.mean() - other.mean())
    bare = Unpaired(
        factor,
        levels[0],
        levels[1],
        within,
        metric,
        mean,
        None,
        confidence,
        None,
        None,
        (len(one), len(other)),
        (float(own[cells[0]].mean()), float(own[cells[1]].mean())),
        (int(timed.censored[cells[0]].sum()), int(timed.censored[cells[1]].sum())) if timed else None,
    )
    if min(bare.runs) < 2:
        return bare
    if same(one) and same(other):
        p = 1.0 if abs(mean) <= TINY else 0.0
        return replace(bare, interval=(mean, mean), p=p, p_permutation=_permuted(one, other))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # one of the groups has no spread
        welch = stats.ttest_ind(one, other, equal_var=False)
        ends = welch.confidence_interval(confidence)
    interval = float(ends.low), float(ends.high)
    return replace(bare, interval=interval, p=float(welch.pvalue), p_permutation=_permuted(one, other))


def _permuted(one: Floats, other: Floats) -> float:
    """Return p of the permutation test: all ways to deal the runs where they are few, 9999 drawn beyond."""
    test = stats.permutation_test(
        (one, other),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        permutation_type="independent",
        n_resamples=RESAMPLES,
        vectorized=True,
        axis=-1,
        batch=500,
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


def _judged(family: list[Unpaired]) -> list[Unpaired]:
    p = holm([one.p for one in family])
    permuted = holm([one.p_permutation for one in family])
    size = max(1, sum(one.p is not None for one in family))
    judged = []
    for at, one in enumerate(family):
        verdict = Verdict.unjudged
        if min(one.runs) >= SMOKE:
            alpha = 1 - one.confidence
            agree = all(one is not None and one <= alpha for one in (p[at], permuted[at]))
            verdict = called(one.metric, one.mean) if agree else Verdict.inconclusive
        judged.append(replace(one, p_holm=p[at], p_permutation_holm=permuted[at], family=size, verdict=verdict))
    return judged
