"""The value of the validation metric that "steps to target" counts to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ablate.designs.calibration import AUTO, REACHED, Calibrated

MARGIN = 0.01
"""How much easier than what was reached a target is, of metrics of which 1 is the best."""
SHARE = 0.1
"""And of metrics of which 0 is the best, which have no common unit: that share of what was reached."""

LEARNED = 0.05
"""A loss that is not lower than chance by more than this share of it is that of a network that learned nothing."""

Floats = NDArray[np.float64]


class Rule(StrEnum):
    """Where a target comes from."""

    given = "given"
    calibration = "calibration"
    best_arm = "best arm"
    reached = "reached"
    none = "none"


@dataclass(frozen=True)
class Target:
    """A target and where it comes from."""

    value: float | None
    """In the unit of the validation metric; None where nothing gives one."""
    why: str
    """Where it comes from in words, to stand in brackets behind the number."""
    rule: Rule
    margin: float | None = None
    """How much easier it is than what was reached, in the unit of the metric; None where it is not."""

    def text(self, metric: str, higher_is_better: bool) -> str:
        """Return what has to be reached: ``val/acc ≥ 0.95 (as given)``."""
        bound = "none" if self.value is None else f"{metric} {'≥' if higher_is_better else '≤'} {self.value:.4g}"
        return f"{bound} ({self.why})"

    def sentence(self, metric: str, higher_is_better: bool) -> str:
        """Return the target as one line."""
        return f"Target: {self.text(metric, higher_is_better)}."


def target(
    asked: float | str = AUTO,
    *,
    calibrated: Calibrated | None = None,
    arms: Mapping[str, Sequence[float | None]] | None = None,
    higher_is_better: bool = True,
) -> Target:
    """Return the target that was ``asked`` for: a number, ``auto`` or ``reached``.

    ``auto`` is the median of what the baseline's calibration runs had as their best, made easier by ``margin_of``.
    Their seeds are not compared, so that no compared run has a part in it. Where there are no such runs, where at
    most half of them finished, or where most of these learned nothing, which every run reaches at once, it is the
    median best of the best of the ``arms``, made easier likewise. ``reached`` is the worst of the arms' median
    bests. The last two look at the runs that are compared, and their words say so.
    """
    if not isinstance(asked, str):
        return Target(float(asked), "as given", Rule.given)
    sign = 1.0 if higher_is_better else -1.0
    less = f"less {MARGIN:g}" if higher_is_better else f"plus {100 * SHARE:g} %"
    instead = ""
    if asked != REACHED:
        value, instead = _calibrated(calibrated or Calibrated(), less)
        if value is not None:
            margin = margin_of(value, higher_is_better)
            return Target(value - sign * margin, instead, Rule.calibration, margin)
    known = {arm: finite for arm, values in (arms or {}).items() if (finite := _finite(values))}
    medians = {arm: float(np.median(values)) for arm, values in known.items()}
    if not medians:
        return Target(None, "no run has finished", Rule.none)
    if asked == REACHED:
        worst = min(medians, key=lambda arm: sign * medians[arm])
        left = len(arms or {}) - len(medians)
        apart = f"; {left} {'arm' if left == 1 else 'arms'} without a finished run left out" if left else ""
        return Target(medians[worst], f"what every arm reached, the last {worst}, by medians{apart}", Rule.reached)
    best = max(medians, key=lambda arm: sign * medians[arm])
    why = f"the best median of the compared arms, that of {best}, {less}{instead and f'; {instead}'}"
    margin = margin_of(medians[best], higher_is_better)
    return Target(medians[best] - sign * margin, why, Rule.best_arm, margin)


def margin_of(reached: float, higher_is_better: bool) -> float:
    """Return how much easier than what was ``reached`` a target is: a hundredth, or a tenth of what is best at 0."""
    return MARGIN if higher_is_better else SHARE * abs(reached)


def learned(metric: Floats, loss: Floats, *, higher_is_better: bool, chance: float | None = None) -> bool:
    """Return whether the curves of a run show that it learned.

    Its validation metric got better by more than ``margin_of`` after it was first measured, and its validation loss
    lower than ``chance``, where that is known, by more than a twentieth of it: between equal classes the accuracy of a
    network that learns nothing goes up and down.
    """
    values, losses = metric[np.isfinite(metric)], loss[np.isfinite(loss)]
    if not len(values) or not len(losses):
        return False
    gain = (values - values[0]).max() if higher_is_better else (values[0] - values).max()
    better = gain > margin_of(float(values[0]), higher_is_better)
    return bool(better and (chance is None or losses.min() < (1 - LEARNED) * chance))


def _calibrated(runs: Calibrated, less: str) -> tuple[float | None, str]:
    """Return what the calibration ``runs`` reached and what a target ``less`` than it is; or None, and why."""
    count = len(runs.best)
    known = [(best, learned) for best, learned in zip(runs.best, runs.learned, strict=True) if _finite([best])]
    if not count:
        return None, runs.why
    if 2 * len(known) <= count:
        return None, f"of {count} calibration runs of {runs.arm} {len(known) or 'none'} finished"
    value = float(np.median(_finite([best for best, _ in known])))
    if 2 * sum(learned for _, learned in known) < len(known):
        return None, f"in calibration {runs.arm} learned nothing, or all before it was first measured"
    which = f"{count} calibration {'run' if count == 1 else 'runs'}"
    if len(known) < count:
        which = f"the {len(known)} of {which} that finished"
    return value, f"the baseline's, {runs.arm}, median best of {which}, {less}"


def _finite(values: Sequence[float | None]) -> list[float]:
    return [float(value) for value in values if value is not None and np.isfinite(value)]
