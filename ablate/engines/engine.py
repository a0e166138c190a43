"""What trains planned runs, and what watches it do so.

An engine is told runs and trains each once, on however many processes or machines. Whatever becomes of a run is in
its record: an engine returns nothing, and any of its processes may die without a result being lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from ablate.engines.planned import PlannedRun
from ablate.stop import Stop


class Watch(AbstractContextManager["Watch"], Protocol):
    """Is told what happens while it happens: by one thread at a time, not always the same one."""

    def waiting(self) -> None:
        """Other processes are about to train: this one has nothing to do until a run has ended."""

    def started(self, planned: PlannedRun) -> None:
        """A run has begun."""

    def ended(self, planned: PlannedRun, left_out: str | None = None) -> None:
        """A run has ended, however: its record says how. ``left_out`` says why it was not trained."""


class Engine(Protocol):
    """Trains runs."""

    def train(self, runs: Sequence[PlannedRun], watch: Watch, stop: Stop, *, wait: bool = False) -> None:
        """Try to train each of ``runs`` once and return; at a request to ``stop``, as soon as checkpoints are written.

        With ``wait``, a run that another process is training is waited for, and taken over if that process dies;
        else it is left out.
        """
