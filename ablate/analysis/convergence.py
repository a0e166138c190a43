"""Convergence of one run, from its curves: pure functions of arrays.

A curve is two arrays of equal length: ``steps`` (optimizer steps at which it was measured, increasing) and
``values`` (the validation metric or loss there). A value that is not finite counts as not reached.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LATE = 0.25
"""The share of the budget that is "late in training"."""
LATE_POINTS = 4
"""A straight line through fewer points leaves too little to speak of oscillation."""
BLOWN_UP = 10.0
"""A run whose last loss is this multiple of its chance level has diverged."""


@dataclass(frozen=True)
class Convergence:
    """What a run's curves say; None where the run did not get there."""

    steps_to_target: float | None
    """First measured step at which the metric had reached the target."""
    best: float | None
    best_step: float | None
    final: float | None
    area: float | None
    """Mean validation loss over the budget, clipped at chance level where that is known."""
    steps: float | None
    """Last measured step."""
    reached: bool | None = None
    """The event flag of ``steps_to_target``: reached, or censored at ``budget``; None without a target."""
    budget: float | None = None
    """The steps that the run had, whether or not it lived to use them, where that was said."""
    diverged: bool | None = None
    gap: float | None = None
    """Generalisation gap at the best step: test loss less the training loss there; positive is worse on the test."""
    oscillation: float | None = None
    """Standard deviation of the metric around its trend in the last quarter of training."""
    seconds_per_step: float | None = None
    """Median over the points of the curves."""
    steps_before: float | None = None
    """The measured step before ``steps_to_target``, at which it had not been reached; 0 where there was none."""


def steps_to_target(steps: Floats, values: Floats, target: float, higher_is_better: bool) -> float | None:
    """Return the first step whose value is at least as good as ``target``, or None if there is none."""
    reached = np.isfinite(values) & (values >= target if higher_is_better else values <= target)
    return float(steps[reached.argmax()]) if reached.any() else None


def best(steps: Floats, values: Floats, higher_is_better: bool) -> tuple[float, float] | None:
    """Return (value, step) of the first best finite value, or None if there is none."""
    finite = np.isfinite(values)
    if not finite.any():
        return None
    at = int(np.argmax(values[finite]) if higher_is_better else np.argmin(values[finite]))
    return float(values[finite][at]), float(steps[finite][at])


def area(steps: Floats, values: Floats, *, chance: float | None = None, budget: float | None = None) -> float | None:
    """Return the mean of ``values`` over the budget, each weighted by the steps since the point before it.

    ``chance`` is what a constant predictor has, ln C for C classes: no loss counts for more. From the first value that
    is not finite to the end of the ``budget`` a run stands at it. A finite run that stopped early keeps its last value.
    None where a value is not finite and no ``chance`` level is given.
    """
    if not len(values):
        return None
    finite = np.isfinite(values)
    if not finite.all():
        if chance is None:
            return None
        values = np.where(np.logical_and.accumulate(finite), values, chance)
    if chance is not None:
        values = np.minimum(values, chance)
    weights = np.diff(steps, prepend=0.0)
    if budget is not None:
        weights = np.diff(np.minimum(steps, budget), prepend=0.0)
        weights[-1] += max(0.0, budget - steps[-1])
    return float(np.average(values, weights=weights))


def diverged(loss: Floats, chance: float | None = None, multiple: float = BLOWN_UP) -> bool:
    """Return whether a loss became not finite, or ended above ``multiple`` times the chance level.

    Without ``chance`` its first value stands for it.
    """
    if not len(loss):
        return False
    if not np.isfinite(loss).all():
        return True
    level = float(loss[0]) if chance is None else chance
    return level > 0 and bool(loss[-1] > multiple * level)


def oscillation(steps: Floats, values: Floats) -> float | None:
    """Return the standard deviation of ``values`` around a straight line through the last quarter of training.

    The root of the residual sum of squares over its degrees of freedom, points less two: a metric that still improves
    steadily does not oscillate. None with fewer than four finite points there, or with one that is not finite.
    """
    if not len(steps):
        return None
    late = steps > (1 - LATE) * steps[-1]
    x, y = steps[late], values[late]
    if len(y) < LATE_POINTS or not np.isfinite(y).all():
        return None
    trend = np.polynomial.Polynomial.fit(x, y, deg=1)
    return float(np.sqrt(np.sum((y - trend(x)) ** 2) / (len(y) - 2)))


def gap(steps: Floats, train_loss: Floats, at: float, test_loss: float) -> float | None:
    """Return the test loss less the training loss at step ``at``; None unless both are finite."""
    there = train_loss[steps == at]
    found = test_loss - float(there[0]) if len(there) else np.nan
    return float(found) if np.isfinite(found) else None


def convergence(
    steps: Floats,
    metric: Floats,
    loss: Floats,
    *,
    higher_is_better: bool,
    target: float | None = None,
    chance: float | None = None,
    budget: float | None = None,
    train_loss: Floats | None = None,
    test_loss: float | None = None,
    step_seconds: Floats | None = None,
) -> Convergence:
    """Summarise a run by its validation ``metric`` and ``loss``, both measured at ``steps``.

    ``chance`` is the loss of a constant predictor (ln C for C classes; without it the first loss tells divergence and
    the area is not clipped). ``budget`` is the number of steps that was planned, by default the last measured one:
    give it for runs that may have ended before. ``train_loss``, at the same ``steps``, and ``test_loss``, of the best
    checkpoint, are for the generalisation gap; ``step_seconds`` is what an optimizer step took, at the same ``steps``.
    """
    peak = best(steps, metric, higher_is_better)
    final = float(metric[-1]) if len(metric) and np.isfinite(metric[-1]) else None
    last = float(steps[-1]) if len(steps) else None
    time = None if target is None else steps_to_target(steps, metric, target, higher_is_better)
    behind = None
    if peak is not None and train_loss is not None and test_loss is not None:
        behind = gap(steps, train_loss, peak[1], test_loss)
    paces = np.empty(0) if step_seconds is None else step_seconds[np.isfinite(step_seconds)]
    return Convergence(
        steps_to_target=time,
        best=peak[0] if peak else None,
        best_step=peak[1] if peak else None,
        final=final,
        area=area(steps, loss, chance=chance, budget=budget),
        steps=last,
        reached=None if target is None or last is None else time is not None,
        budget=budget,
        diverged=diverged(loss, chance) if len(loss) else None,
        gap=behind,
        oscillation=oscillation(steps, metric),
        seconds_per_step=float(np.median(paces)) if len(paces) else None,
        steps_before=None if time is None else float(steps[steps < time].max(initial=0.0)),
    )
