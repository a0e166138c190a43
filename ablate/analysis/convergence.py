"""Convergence of one run, from its curves: pure functions of arrays.

A curve is two arrays of equal length: ``steps`` (optimizer steps at which it was measured, increasing) and
``values`` (the validation metric or loss there). A value that is not finite counts as not reached.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Convergence:
    """What a run's curves say; None where the run did not get there."""

    steps_to_target: float | None
    """First measured step at which the metric had reached the target."""
    best: float | None
    best_step: float | None
    final: float | None
    area: float | None
    """Mean validation loss over the budget."""
    steps: float | None
    """Last measured step: the budget, where the run did not stop before."""


def steps_to_target(steps: Floats, values: Floats, target: float, higher_is_better: bool) -> float | None:
    """Return the first step whose value is at least as good as ``target``, or None if there is none."""
    reached = values >= target if higher_is_better else values <= target
    return float(steps[reached.argmax()]) if reached.any() else None


def best(steps: Floats, values: Floats, higher_is_better: bool) -> tuple[float, float] | None:
    """Return (value, step) of the first best finite value, or None if there is none."""
    finite = np.isfinite(values)
    if not finite.any():
        return None
    at = int(np.argmax(values[finite]) if higher_is_better else np.argmin(values[finite]))
    return float(values[finite][at]), float(steps[finite][at])


def area(steps: Floats, values: Floats) -> float | None:
    """Return the mean of ``values`` over the budget, each weighted by the steps since the point before it.

    None where a value is not finite: a diverged run has no area.
    """
    if not len(values) or not np.isfinite(values).all():
        return None
    return float(np.average(values, weights=np.diff(steps, prepend=0.0)))


def convergence(
    steps: Floats, metric: Floats, loss: Floats, *, higher_is_better: bool, target: float | None = None
) -> Convergence:
    """Summarise a run by its validation ``metric`` and ``loss``, both measured at ``steps``."""
    peak = best(steps, metric, higher_is_better)
    final = float(metric[-1]) if len(metric) and np.isfinite(metric[-1]) else None
    return Convergence(
        steps_to_target=None if target is None else steps_to_target(steps, metric, target, higher_is_better),
        best=peak[0] if peak else None,
        best_step=peak[1] if peak else None,
        final=final,
        area=area(steps, loss),
        steps=float(steps[-1]) if len(steps) else None,
    )
