"""The full factorial: every combination of levels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ablate.designs.factor import Arm, Factor


def full(factors: Sequence[Factor]) -> list[Arm]:
    """Return the full factorial: every combination, the last factor varying fastest."""
    keys = [factor.key for factor in factors]
    return [dict(zip(keys, levels, strict=True)) for levels in itertools.product(*(f.levels for f in factors))]
