"""Checks for ``__post_init__``: each raises a ``ValueError`` that names the parameter; NaN and infinity never pass."""

from __future__ import annotations

import math


def positive(**values: float) -> None:
    """Refuse values that are not above zero."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive, not {value}")


def not_negative(**values: float) -> None:
    """Refuse values below zero."""
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} must not be negative, not {value}")


def fraction(**values: float) -> None:
    """Refuse values outside [0, 1)."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must be in [0, 1), not {value}")


def at_least(minimum: int, **values: int | None) -> None:
    """Refuse whole numbers below ``minimum``; None, for "not set", passes."""
    for name, value in values.items():
        if value is not None and value < minimum:
            raise ValueError(f"{name} must be at least {minimum}, not {value}")


def finite(**values: float) -> None:
    """Refuse NaN and infinity."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, not {value}")
