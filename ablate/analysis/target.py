"""The value of the validation metric that "steps to target" counts to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MARGIN = 0.01


@dataclass(frozen=True)
class Target:
    """A target and where it comes from."""

    value: float | None
    """In the unit of the validation metric; None where nothing gives one."""
    why: str
    """Where it comes from, to stand in brackets behind the number."""

    def sentence(self, metric: str = "the metric", higher_is_better: bool = True) -> str:
        """Return the target as one line."""
        if self.value is None:
            return f"No target: {self.why}."
        return f"Target: {metric} {'≥' if higher_is_better else '≤'} {self.value:.4g} ({self.why})."


def target(
    given: float | None = None,
    *,
    calibration: Sequence[float | None] = (),
    arms: Mapping[str, Sequence[float | None]] | None = None,
    higher_is_better: bool = True,
    margin: float = MARGIN,
    constant: float | None = None,
) -> Target:
    """Return the first of three that can be had.

    The number ``given``; or the median of ``calibration``, the best values that runs of the baseline arm had with
    seeds that are not compared, made easier by ``margin``; or what every arm reached, the worst of the ``arms``'
    median best values. The last looks at the runs that are compared, and its sentence says so. Arms whose median is
    no better than ``constant``, what a constant predictor has, learned nothing and do not lower it; they count as not
    having reached it.
    """
    if given is not None:
        return Target(float(given), "as given")
    sign = 1.0 if higher_is_better else -1.0
    if known := _finite(calibration):
        less = f"{'less' if higher_is_better else 'plus'} {margin:g}"
        runs = f"{len(known)} calibration {'run' if len(known) == 1 else 'runs'}"
        return Target(float(np.median(known)) - sign * margin, f"the baseline's median best of {runs}, {less}")
    medians = {arm: float(np.median(known)) for arm, values in (arms or {}).items() if (known := _finite(values))}
    learned = {arm: value for arm, value in medians.items() if constant is None or sign * (value - constant) > 0}
    if not learned:
        return Target(None, "no run has finished" if not medians else "no arm learned more than a constant predictor")
    worst = min(learned, key=lambda arm: sign * learned[arm])
    left = len(medians) - len(learned)
    apart = f"; {left} {'arm' if left == 1 else 'arms'} that learned nothing left out" if left else ""
    return Target(
        learned[worst], f"what every arm reached: the least median best, of {worst}, of the runs compared{apart}"
    )


def _finite(values: Sequence[float | None]) -> list[float]:
    return [float(value) for value in values if value is not None and np.isfinite(value)]
