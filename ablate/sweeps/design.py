"""Which arms a sweep runs: pure functions from factors to combinations of levels."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Factor:
    """A swept setting and its levels, as on the command line."""

    key: str
    levels: tuple[str, ...]


Arm = Mapping[str, str]
"""The level of each factor."""


def full(factors: Sequence[Factor]) -> list[Arm]:
    """Return the full factorial: every combination, the last factor varying fastest."""
    keys = [factor.key for factor in factors]
    return [dict(zip(keys, levels, strict=True)) for levels in itertools.product(*(f.levels for f in factors))]
