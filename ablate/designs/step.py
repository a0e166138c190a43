"""A step of a path, for whoever reports it: finding one takes scipy, reading one does not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One step of a path: the factor that gains most after the steps before."""

    factor: str
    before: str
    after: str
    mean: float | None
    """Mean metric of the arm that the step leads to, over the seeds with which it finished; None if with none."""
    difference: float | None
    """Mean paired difference to the arm before, over the seeds with which both finished; None if with none."""
    failed: int
    """How many runs of the arm that the step leads to failed."""
    saved: int
    """How many runs of the step's candidates the race made unnecessary."""
