"""The curves that show a study's verdict: the compared arms, a panel for each level of the condition."""

from __future__ import annotations

import pandas as pd

from ablate import analysis
from ablate.analysis.table import label
from ablate.analysis.wording import setting
from ablate.figures.chart import Chart
from ablate.figures.curves import curves
from ablate.results import Sweep
from ablate.studies.definition import ARM, Study
from ablate.verdicts.judge import ARMS, at_every_level, column, with_arms


def figure(study: Study, sweep: Sweep) -> Chart | None:
    """Return the curves of the metric that the runs are judged by, mean loss for what is measured by it."""
    assert study.compare is not None
    metric = "val/loss" if study.measure in ("area", "gap") else sweep.metric
    found = sweep.curves()
    found = with_arms(study, found[found["metric"] == metric])
    if found.empty:
        return None
    factor, condition = column(study.compare[0]), column(study.condition)
    found = at_every_level(found, condition)
    parts = {"": found}
    if condition:
        named = "" if condition == ARMS else f"{condition}="
        parts = {f"{named}{label(level)}": own for level, own in found.groupby(condition, sort=False)}
    bands = pd.concat(
        [analysis.bands(own, [factor], metric).assign(panel=title) for title, own in parts.items()], ignore_index=True
    )
    bands["factor"] = ARM if factor == ARMS else factor
    target = sweep.target().value if study.measure == "steps_to_target" else None
    return curves(bands, metric, target)


def alt(study: Study) -> str:
    """Return what the figure shows, for those who do not see it."""
    assert study.compare is not None
    factor, level, against = study.compare
    within = f" within each {study.condition}" if study.condition else ""
    return f"Mean curves of {setting(factor, level)} and {setting(factor, against)}{within}"
