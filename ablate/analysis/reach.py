"""What a number of seeds can show at all, before anything is trained."""

from __future__ import annotations

import math


def flips_needed(alpha: float) -> int:
    """Return with how many seeds the two-sided p of the sign-flip test, at least 2 / 2^n, can reach ``alpha``."""
    return math.ceil(1 - math.log2(alpha) - 1e-9)


def too_few(seeds: int, contrasts: int, confidence: float = 0.95) -> str | None:
    """Return a sentence where no difference, however large, can be called an effect; None where one can.

    Holm multiplies the least p of a family by its size, and the least p of n sign flips is 2 / 2^n.
    """
    needed = flips_needed((1 - confidence) / max(1, contrasts))
    if seeds >= needed or not contrasts:
        return None
    have = "1 seed" if seeds == 1 else f"{seeds} seeds"
    of = "1 contrast" if contrasts == 1 else f"{contrasts} contrasts"
    return f"{have} cannot show an effect in {of}, however large it is; {needed} can."
