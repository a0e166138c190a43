"""Runs that are trained beside those that are reported: their folder and their seeds."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Apart:
    """What sets such runs apart from those of the sweep."""

    suffix: str
    """What their folder adds to the name of the sweep's."""
    first_seed: int
    """Their seeds begin here, far from those that people report, so that more of those move none of these."""

    def seeds(self, taken: Collection[int], count: int) -> tuple[int, ...]:
        """Return ``count`` seeds, none of which is ``taken``: what is decided on must not be judged on."""
        free = (seed for seed in itertools.count(self.first_seed) if seed not in taken)
        return tuple(itertools.islice(free, count))


TUNING = Apart("-tuning", 1_000_000)
CALIBRATION = Apart("-calibration", 2_000_000)


def is_apart(folder: str) -> bool:
    """Say whether a folder of this name holds runs that no sweep reports."""
    return folder.endswith((TUNING.suffix, CALIBRATION.suffix))
