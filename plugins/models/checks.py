"""Checks that several models share."""

from __future__ import annotations

from collections.abc import Sequence


def check_channels(channels: Sequence[int]) -> None:
    """Refuse an empty list of stages, and one without channels."""
    if not channels or min(channels) < 1:
        raise ValueError(f"channels must list at least one positive number, not {channels}")
