"""The engine without processes: one run after the other, here, where a debugger can follow."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.engines.engine import Watch, attempt
from ablate.engines.planned import PlannedRun
from ablate.stop import Stop


class InlineEngine:
    """Trains in this process."""

    def train(self, runs: Sequence[PlannedRun], watch: Watch, stop: Stop, *, wait: bool = False) -> None:
        """Train one run after the other."""
        for planned in runs:
            if stop.requested:
                return
            watch.started(planned)
            watch.ended(planned, attempt(planned, stop, wait=wait))
