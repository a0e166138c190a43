"""The engine without processes: one run after the other, here, where a debugger can follow."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.engines.engine import Watch
from ablate.engines.groups import grouped
from ablate.engines.planned import PlannedRun
from ablate.engines.together import attempt_together
from ablate.stop import Stop


class InlineEngine:
    """Trains in this process; ``stack`` runs of one graph in step."""

    def __init__(self, stack: int = 1) -> None:
        self.stack = stack

    def train(self, runs: Sequence[PlannedRun], watch: Watch, stop: Stop, *, wait: bool = False) -> None:
        """Train one run after the other, or one group."""
        for group in grouped(runs, lambda _: 1 if wait else self.stack):
            if stop.requested:
                return
            for planned in group:
                watch.started(planned)
            for planned, why in zip(group, attempt_together(group, stop, wait=wait), strict=True):
                watch.ended(planned, why)
