"""What a study measures: a column of the frame of its runs."""

from __future__ import annotations

from dataclasses import replace

from ablate.analysis.measure import Metric, Scale, as_metric, known
from ablate.errors import ConfigError, did_you_mean
from ablate.results import Sweep

DIVERGED = "diverged"
_OWN = {
    "gap": Metric("gap", False, label="generalisation gap of the loss"),
    "oscillation": Metric("oscillation", False, label="oscillation late in training"),
    "parameters": Metric("parameters", False, Scale.ratio),
    "macs": Metric("macs", False, Scale.ratio, label="multiply-adds"),
    "optimizer_state_bytes": Metric("optimizer_state_bytes", False, Scale.ratio, label="optimizer memory"),
    "seconds": Metric("seconds", False, Scale.ratio, pace=True, label="seconds of training"),
}
_LEARNED = ("steps_to_target", "area", "seconds_per_step")
MEASURES = (*_LEARNED, "best", "final", *_OWN, DIVERGED)
"""What a study may measure beside the test's metrics, ``test/acc`` and the like."""


def metric_of(sweep: Sweep, measure: str, margin: float) -> Metric:
    """Return the metric behind ``measure``; raise ``ConfigError`` for a name that is none."""
    if measure in ("best", "final"):
        metric = replace(known(sweep.metric, sweep.higher_is_better), column=measure, label=f"{measure} {sweep.metric}")
    elif measure in _OWN:
        metric = _OWN[measure]
    elif measure in _LEARNED or measure.startswith("test/"):
        metric = as_metric(measure)
    else:
        raise ConfigError(
            f"measure={measure}: there is no such measure.{did_you_mean(measure, MEASURES)} "
            f"Measures: {', '.join(MEASURES)}, and those of the test, such as test/acc."
        )
    try:
        return replace(metric, margin=float(margin))
    except ValueError as error:
        raise ConfigError(str(error)) from error
