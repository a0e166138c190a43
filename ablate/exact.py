"""What a check of an exact property finds: a number that mathematics says, and how far the real thing is off."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Checked:
    """How far something is from what a formula says, and how far it may be.

    The check of an exact property returns it; the property holds where ``measured`` is at most ``bound``.
    """

    measured: float
    """The largest deviation that was seen: an error, a count of cases that disagree."""
    bound: float
    """The largest that rounding, or the theorem, allows."""
    reading: str
    """What was computed and what came out, in a sentence or two."""

    @property
    def holds(self) -> bool:
        """Whether the property holds; what is no number does not."""
        return math.isfinite(self.measured) and self.measured <= self.bound
