"""What a worker process and its parent tell each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STOP = b""
"""Sent to a worker that is to end; anything else is a pickled group of runs."""


@dataclass(frozen=True)
class Setup:
    """What a worker is told at its start."""

    environment: Mapping[str, str]
    wait: bool


@dataclass(frozen=True)
class Ready:
    """The worker has imported and registered all that it needs."""


@dataclass(frozen=True)
class Ended:
    """A group of runs has ended; their records say how."""

    left_out: Sequence[str | None]
    """Why each was left out, if it was."""
