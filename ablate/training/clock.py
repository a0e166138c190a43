"""The time of a run: of one that trains in step with others, only its share of theirs."""

from __future__ import annotations

import time


class Clock:
    """Counts seconds, like ``time.perf_counter``, but for those in which others were at work."""

    def __init__(self) -> None:
        self.idle = 0.0

    def __call__(self) -> float:
        """Return the time in seconds; differences between two of them have a meaning."""
        return time.perf_counter() - self.idle
