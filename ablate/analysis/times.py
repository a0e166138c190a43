"""Times that are reached or censored: steps to target."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from statsmodels.duration.survfunc import survdiff

from ablate.analysis.convergence import Floats
from ablate.analysis.measure import Metric
from ablate.analysis.pairing import Pairing
from ablate.analysis.table import Bools, Table


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

    @property
    def restricted(self) -> Floats:
        """min(T, common budget): its mean is the area under the Kaplan-Meier curve (Royston & Parmar 2013)."""
        return np.minimum(self.time, self.budget)

    @property
    def censored(self) -> Bools:
        """Which runs had not reached the target at the common budget."""
        found: Bools = np.isfinite(self.time) & (~self.event | (self.time > self.budget))
        return found

    def cut(self, pairing: Pairing, complete: Bools) -> bool:
        """Return whether any run of the complete cells (cells, seeds) is censored."""
        return bool(self.censored[pairing.used(complete, self.time.shape)].any())

    def never(self, pairing: Pairing, complete: Bools) -> bool:
        """Return whether all of them are: there is nothing to compare."""
        return bool(self.censored[pairing.used(complete, self.time.shape)].all())

    def of(self, arms: Bools) -> Times:
        """Return the times of some arms, with the same common budget."""
        return Times(self.time[arms], self.event[arms], self.budget, self.unequal)


def times(table: Table, metric: Metric, budget: float | str | None = None) -> Times:
    """Return the times of a censored metric: a missing value means that the target was not reached.

    ``budget`` is a number for all runs or the column that has each run's own, in whose gaps the column ``steps`` stands
    for it; by default a column ``budget``, or else the largest of the column ``steps``. A run that ended before its
    budget, because it diverged or stopped by itself, will not reach the target any more: it counts as not having
    reached it within the whole budget. One that has lost its curve, so that nobody knows, is left out.
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
    return Times(np.where(event, reached, own), event, float(least), longest > least)


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
