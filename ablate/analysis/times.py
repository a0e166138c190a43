"""Times that are reached or censored: steps to target."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from statsmodels.duration.survfunc import survdiff

from ablate.analysis.convergence import Floats
from ablate.analysis.measure import Metric
from ablate.analysis.pairing import Pairing
from ablate.analysis.table import Bools, Table

BEFORE = "steps_before"


@dataclass(frozen=True, eq=False)
class Times:
    """Times of arms × seeds, each up to the run's own budget."""

    time: Floats
    """When the target was reached, or the run's budget where it was not; NaN where there is no run."""
    event: Bools
    """Whether it was reached."""
    budget: float
    """The common budget: the least of all runs."""
    unequal: bool
    """Whether the runs' budgets differ."""
    before: Floats
    """The point of the curves before ``time``: the target was reached somewhere between. 0 where there is none."""

    @property
    def restricted(self) -> Floats:
        """min(T, common budget): its mean is the area under the Kaplan-Meier curve (Royston & Parmar 2013)."""
        return np.minimum(self.time, self.budget)

    @property
    def censored(self) -> Bools:
        """Which runs had not reached the target at the common budget."""
        found: Bools = np.isfinite(self.time) & (~self.event | (self.time > self.budget))
        return found

    @property
    def first(self) -> Bools:
        """Which runs had reached the target when they were first measured."""
        found: Bools = self.event & (self.before <= 0)
        return found

    def slack(self, pairing: Pairing, complete: Bools, weights: Sequence[int]) -> float:
        """Return by how much the mean difference of log2 may be off, at the worst, as times lie between two points.

        Upwards by the widths, log2(time / before), of the groups that are taken away, downwards by those of the others;
        the larger of the two, a mean over the complete cells (cells, seeds). Infinite where a run had reached the
        target when it was first measured.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            widths = np.where(self.event, np.log2(self.time) - np.log2(self.before), 0.0)
        means = np.where(complete, pairing.means(widths), 0.0).sum(axis=(1, 2)) / complete.sum()  # (groups,)
        signs = np.array(weights)
        return float(max(means[signs > 0].sum(), means[signs < 0].sum()))

    def cut(self, pairing: Pairing, complete: Bools) -> bool:
        """Return whether any run of the complete cells (cells, seeds) is censored."""
        return bool(self.censored[pairing.used(complete, self.time.shape)].any())

    def never(self, pairing: Pairing, complete: Bools) -> bool:
        """Return whether all of them are: there is nothing to compare."""
        return bool(self.censored[pairing.used(complete, self.time.shape)].all())

    def of(self, arms: Bools) -> Times:
        """Return the times of some arms, with the same common budget."""
        return Times(self.time[arms], self.event[arms], self.budget, self.unequal, self.before[arms])


def times(table: Table, metric: Metric, budget: float | str | None = None) -> Times:
    """Return the times of a censored metric: a missing value means that the target was not reached.

    ``budget`` is a number for all runs or the column that has each run's own, in whose gaps the column ``steps`` stands
    for it; by default a column ``budget``, or else the largest of the column ``steps``. A run that ended before its
    budget, because it diverged or stopped by itself, will not reach the target any more: it counts as not having
    reached it within the whole budget. One that has lost its curve, so that nobody knows, is left out. A column
    ``steps_before`` has the point of the curves before; without it times are taken to be exact.
    """
    reached = table.column(metric.column)
    if budget is None:
        if "budget" in table.frame and table.frame["budget"].notna().any():
            budget = "budget"
        elif "steps" in table.frame:
            budget = float(np.nanmax(np.append(table.column("steps"), -np.inf)))
    seen = table.column("steps") if "steps" in table.frame else np.full_like(reached, np.nan)
    if isinstance(budget, str):
        own = table.column(budget)
        own = np.where(np.isfinite(own), own, seen)
    else:
        own = np.where(table.usable, np.nan if budget is None else budget, np.nan)
    event = np.isfinite(reached)
    lost = table.usable & ~np.isfinite(seen) & ~table.diverged & ("steps" in table.frame)
    own = np.where(lost & ~event, np.nan, own)
    longest = float(np.nanmax(np.append(own, -np.inf)))
    own = np.where(table.diverged & ~np.isfinite(own), longest, own)  # before it was first measured
    if (table.usable & ~event & ~lost & ~np.isfinite(own)).any():
        raise ValueError(
            f"Some runs have no {metric.column}, and nothing says how long they had: "
            "give budget=, a number of steps or the column that has each run's."
        )
    least = np.nanmin(np.append(own, np.inf))
    before = table.column(BEFORE) if BEFORE in table.frame else reached
    return Times(np.where(event, reached, own), event, float(least), longest > least, before)


def logrank(times: Times, pairing: Pairing, used: Bools) -> float | None:
    """Return p of the log-rank test of two groups, stratified by cell and seed (``statsmodels`` ``survdiff``).

    Unlike the restricted means it uses what happened after the common budget. The strata are taken as independent. None
    where no stratum tells anything, as when no run reached the target.
    """
    time, event, group, stratum = [], [], [], []
    for at, cell in enumerate(pairing.cells):
        for side, arms in enumerate(cell):
            for seed in np.flatnonzero(used[at]):
                time.extend(times.time[arms, seed])
                event.extend(times.event[arms, seed])
                group.extend([side] * len(arms))
                stratum.extend([at * used.shape[1] + seed] * len(arms))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            _, p = survdiff(np.array(time), np.array(event, dtype=int), np.array(group), strata=np.array(stratum))
        except (ValueError, np.linalg.LinAlgError):
            return None
    return float(p) if np.isfinite(p) else None
