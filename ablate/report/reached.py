"""What the runs of an arm come to: those with a result, and how soon they reached the target, for every face."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ablate.analysis.table import RESULTS
from ablate.facts import Status


@dataclass(frozen=True)
class Steps:
    """The steps to the target of an arm."""

    mean: float | None
    """Over its runs, each that did not reach the target counted with its own budget; None where none did."""
    reached: int
    runs: int
    """How many runs say whether they reached it."""


def with_result(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs that are compared: not those that failed, were ended or go on."""
    return runs[runs["status"].isin(RESULTS)]


def steps(runs: pd.DataFrame) -> Steps:
    """Return the steps to the target of an arm's runs; one that finished and lost its curve does not say."""
    known = with_result(runs)
    known = known[known["steps"].notna() | (known["status"] == Status.diverged)]
    times, had = (pd.to_numeric(known[name]) for name in ("steps_to_target", "budget"))
    reached = int(times.notna().sum())
    if not reached:
        return Steps(None, 0, len(known))
    budgets = had.fillna(pd.to_numeric(known["steps"]).max())  # records of old lack it
    return Steps(float(times.fillna(budgets).mean()), reached, len(known))
