"""Tuning a positive parameter, such as a learning rate, for each arm: the grid, the choice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean

from ablate.checks import positive

_READABLE = (1, 2, 3, 5, 10, 20, 30)


@dataclass(frozen=True)
class Choice:
    """The level that tuning chose, and what it was chosen from."""

    level: str | None
    """None where no run of any level finished."""
    means: Mapping[str, float | None]
    """Mean score of each level over the seeds with which it finished; None if with none."""
    failed: Mapping[str, int]
    """How many runs of each level failed."""


def grid_around(default: float) -> tuple[str, ...]:
    """Return seven values around ``default``, about half a decade apart, as they are written on a command line.

    Every second one is the default times a power of ten; those between are rounded to 1, 2, 3 or 5 times a power of
    ten: 0.001 gives 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03. Raises ``ValueError`` unless positive.
    """
    positive(default=default)
    exact = Decimal(repr(float(default)))
    leading = exact.scaleb(-exact.adjusted())  # in [1, 10)
    half = min(_READABLE, key=lambda value: abs(math.log(value / (float(leading) * math.sqrt(10)))))
    between = Decimal(half).scaleb(exact.adjusted())
    grid = [
        between.scaleb(-2),
        exact.scaleb(-1),
        between.scaleb(-1),
        exact,
        between,
        exact.scaleb(1),
        between.scaleb(1),
    ]
    return tuple(f"{value.normalize():f}" for value in grid)


def choose(scores: Mapping[str, Sequence[float | None]], higher_is_better: bool) -> Choice:
    """Return the level with the best mean score over the tuning seeds; None is the score of a run that failed.

    A level with failed runs ranks behind all levels with fewer; of equals the earlier is chosen.
    """
    finished = {level: [v for v in values if v is not None and math.isfinite(v)] for level, values in scores.items()}
    means = {level: fmean(values) if values else None for level, values in finished.items()}
    failed = {level: len(scores[level]) - len(values) for level, values in finished.items()}
    sign = -1 if higher_is_better else 1
    ranked = [(failed[level], sign * mean, level) for level, mean in means.items() if mean is not None]
    level = min(ranked, key=lambda rank: rank[:2])[2] if ranked else None
    return Choice(level, means, failed)


def at_edge(level: str, grid: Sequence[str]) -> bool:
    """Say whether ``level`` is the least or the largest of several numbers: a wider grid might have a better one."""
    try:
        values = [float(each) for each in grid]
    except ValueError:
        return False
    return len(values) > 1 and float(level) in (min(values), max(values))
