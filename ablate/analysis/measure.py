"""What is compared: a column of the runs, which way is better, and the scale on which it is compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from ablate.analysis.convergence import Floats


class Scale(StrEnum):
    """How a difference is tested and said."""

    ratio = "ratio"
    """Differences of log2, said as a ratio: 0.52×. Margins are ratios, 1.1 for ten per cent either way."""
    points = "points"
    """Differences of a share, said in points of a hundred. Margins are points."""
    plain = "plain"
    """Differences as they are. Margins are in the unit of the metric."""


@dataclass(frozen=True)
class Metric:
    """A column of the frame and what is to be known about it."""

    column: str
    higher_is_better: bool
    scale: Scale = Scale.plain
    margin: float | None = None
    """The largest difference that is called "no effect", in the scale's unit; None: nothing is called that."""
    pace: bool = False
    """Whether less of it means faster: verdicts are faster and slower, not better and worse."""
    censored: bool = False
    """Whether a missing value means "not reached within the budget"."""
    label: str = ""
    """What it is called in sentences; by default its column."""

    def __post_init__(self) -> None:
        """Refuse what cannot be a margin."""
        least = 1.0 if self.scale is Scale.ratio else 0.0
        if self.margin is not None and not least < self.margin < math.inf:
            raise ValueError(f"The margin of {self.column} must be above {least:g}, not {self.margin}.")
        if self.censored and (self.scale is not Scale.ratio or self.higher_is_better):
            raise ValueError(f"{self.column} is censored, so it is a time: scale=ratio, higher_is_better=False.")

    @property
    def name(self) -> str:
        """What it is called."""
        return self.label or self.column

    @property
    def bound(self) -> float | None:
        """The margin on the scale of the test."""
        if self.margin is None:
            return None
        if self.scale is Scale.ratio:
            return math.log2(self.margin)
        return self.margin / 100 if self.scale is Scale.points else self.margin

    def on_test_scale(self, values: Floats) -> Floats:
        """Return what differences are taken of: log2 for ratios. What is not above 0 has none (NaN)."""
        if self.scale is not Scale.ratio:
            return values
        return np.log2(values, out=np.full_like(values, np.nan), where=values > 0)

    def in_unit(self, difference: float) -> float:
        """Return a difference on the scale of the test in the unit it is said in."""
        if self.scale is Scale.ratio:
            return float(2.0**difference)
        return 100 * difference if self.scale is Scale.points else difference

    @property
    def sign(self) -> int:
        """+1 where more is better, −1 where less is."""
        return 1 if self.higher_is_better else -1


STEPS = Metric("steps_to_target", False, Scale.ratio, 1.1, pace=True, censored=True, label="steps to target")
AREA = Metric("area", False, pace=True, label="mean validation loss")
SECONDS = Metric("seconds_per_step", False, Scale.ratio, 1.1, pace=True, label="seconds per step")

_KNOWN = {metric.column: metric for metric in (STEPS, AREA, SECONDS)}
_SHARES = ("acc", "accuracy", "miou", "iou", "recall_at_1", "f1", "auroc")
_LOSSES = ("loss", "mse", "rmse", "mae", "mmd", "error")
_PLAIN = ("r2",)


def as_metric(metric: Metric | str) -> Metric:
    """Return a metric for a column whose name says which way is better; ``ValueError`` for any other name.

    ``steps_to_target``, ``area``, ``seconds_per_step``, and what ends in a name such as ``acc`` or ``loss``:
    ``val/acc``, ``test/loss``. Accuracies get a margin of one point, ratios of 1.1.
    """
    if isinstance(metric, Metric):
        return metric
    if metric in _KNOWN:
        return _KNOWN[metric]
    last = metric.replace(".", "/").split("/")[-1].lower()
    if last in _SHARES:
        return Metric(metric, True, Scale.points, 1.0)
    if last in _LOSSES or last in _PLAIN:
        return Metric(metric, last in _PLAIN)
    raise ValueError(
        f"Whether more of {metric!r} is better, its name does not say: "
        f"give Metric({metric!r}, higher_is_better=True) or False."
    )


def with_margin(metric: Metric, margin: float | Mapping[str, float] | None) -> Metric:
    """Return the metric with the margin that was given for it, if one was."""
    given = margin.get(metric.column) if isinstance(margin, Mapping) else margin
    return metric if given is None else replace(metric, margin=float(given))
