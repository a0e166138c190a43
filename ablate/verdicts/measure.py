"""What a study measures: a column of the frame of its runs."""

from __future__ import annotations

from dataclasses import replace

from ablate.analysis.measure import Metric, Scale, known
from ablate.results import Sweep

_OWN = {
    "gap": Metric("gap", False, label="generalisation gap of the loss"),
    "oscillation": Metric("oscillation", False, label="oscillation late in training"),
    "parameters": Metric("parameters", False, Scale.ratio),
    "macs": Metric("macs", False, Scale.ratio, label="multiply-adds"),
    "optimizer_state_bytes": Metric("optimizer_state_bytes", False, Scale.ratio, label="optimizer memory"),
    "seconds": Metric("seconds", False, Scale.ratio, pace=True, label="seconds of training"),
}


def metric_of(sweep: Sweep, measure: str, margin: float) -> Metric:
    """Return the metric behind ``measure``, with its margin."""
    if measure in _OWN:
        return replace(_OWN[measure], margin=float(margin))
    if measure in ("best", "final"):
        judged = known(sweep.metric, sweep.higher_is_better)
        return replace(judged, column=measure, label=f"{measure} {sweep.metric}", margin=float(margin))
    return replace(known(measure, sweep.higher_is_better), margin=float(margin))
