"""The order in which arms are reported."""

from __future__ import annotations

import pandas as pd

from ablate.facts import Status
from ablate.report.reached import with_result


def ranked(frame: pd.DataFrame, higher_is_better: bool) -> list[pd.DataFrame]:
    """Return each arm's rows, by mean best metric; arms without one, or of which no run has finished, come last."""
    arms = [rows for _, rows in frame.groupby("arm_hash", sort=False)]
    sign = -1 if higher_is_better else 1

    def rank(arm: pd.DataFrame) -> tuple[bool, bool, float]:
        mean = with_result(arm)["best"].mean()
        return not (arm["status"] == Status.finished).any(), bool(pd.isna(mean)), sign * float(mean)

    return sorted(arms, key=rank)
