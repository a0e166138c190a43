"""Numbers of things, and lists of them."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: float, noun: str, plural: str = "") -> str:
    """Return ``1 seed``, ``3 seeds``."""
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {plural or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
