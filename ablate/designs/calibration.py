"""Calibration: what the baseline arm reaches with seeds that are not compared, for whoever sets a target by it."""

from __future__ import annotations

from dataclasses import dataclass, field

AUTO, REACHED = "auto", "reached"
"""What a target may be beside a number: from calibration where there is one; what every arm reached."""


@dataclass(frozen=True)
class Calibrated:
    """The calibration runs, seed by seed, or why there are none."""

    arm: str = ""
    """The baseline."""
    seeds: list[int] = field(default_factory=list)
    best: list[float | None] = field(default_factory=list)
    """The best value of the validation metric; None for a run that did not finish."""
    learned: list[bool] = field(default_factory=list)
    """Whether it learned anything while it was measured."""
    why: str = ""
    """Why there are none, in words."""

    def __post_init__(self) -> None:
        """Refuse lists that are not about the same runs."""
        if not len(self.seeds) == len(self.best) == len(self.learned):
            told = f"{len(self.seeds)}, {len(self.best)} and {len(self.learned)}"
            raise ValueError(f"calibration runs have as many seeds as best values and words on learning, not {told}")

    @property
    def finished(self) -> int:
        """How many of the runs finished."""
        return sum(value is not None for value in self.best)
