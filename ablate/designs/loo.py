"""Leave one out: what the full kit loses with each technique."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from ablate.designs.factor import Arm, Factor
from ablate.errors import ConfigError

T = TypeVar("T")

OFF = ("none", "false", "null", "0")
"""Levels that mean "without", in whatever case and however a zero is written."""


def loo(factors: Sequence[Factor]) -> list[Arm]:
    """Return the full kit, every factor at its first level, then the kit without each technique in turn.

    Without a technique its factor stands at ``none``, ``false``, ``null`` or ``0``, or else at the other of its two
    levels. Raises ``ConfigError`` for a factor that begins with the level for "without", and for one that has
    no such level and not exactly two.
    """
    kit = {factor.key: factor.levels[0] for factor in factors}
    return [kit, *({**kit, factor.key: _off(factor)} for factor in factors)]


def _off(factor: Factor) -> str:
    first, *others = factor.levels
    said = f"design=loo: {factor.key}={','.join(factor.levels)}"
    if is_off(first):
        raise ConfigError(
            f"{said} begins with {first}, which leaves nothing to leave out. "
            "Write the full kit first, each technique before its none: norm=bn,none."
        )
    off = without(others)
    if off is None and len(others) != 1:
        raise ConfigError(
            f"{said} does not say which level is without {factor.key}. "
            f"Add one of {', '.join(OFF)}, or name two levels, the full kit's first; or take design=ofat."
        )
    return off or others[0]


def without(levels: Iterable[T]) -> T | None:
    """Return the first of the levels that means "without", as a text or as a value; None where none does."""
    return next((level for level in levels if level is not None and is_off(str(level))), None)


def is_off(level: str) -> bool:
    """Say whether a level means "without"."""
    try:
        return float(level) == 0
    except ValueError:
        return level.lower() in OFF
