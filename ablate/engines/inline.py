"""The engine without processes: one run after the other, here, where a debugger can follow."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.engines.engine import Watch
from ablate.engines.groups import Group, grouped
from ablate.engines.planned import PlannedRun
from ablate.engines.sizes import in_step
from ablate.stop import Stop


class InlineEngine:
    """Trains in this process; runs of one graph in step, as ``stack`` says: off, auto or how many."""

    def __init__(self, stack: str | int = 1) -> None:
        self.stack = stack

    def train(self, runs: Sequence[PlannedRun], watch: Watch, stop: Stop, *, wait: bool = False) -> None:
        """Train one run after the other, or one group."""
        from ablate.engines.together import attempt_together  # here, as planning needs no Lightning

        for group in self.groups(runs, wait=wait):
            if stop.requested:
                return
            for planned in group:
                watch.started(planned)
            for planned, why in zip(group, attempt_together(group, stop, wait=wait), strict=True):
                watch.ended(planned, why)

    def groups(self, runs: Sequence[PlannedRun], *, wait: bool = False) -> list[Group]:
        """Return ``runs`` as they train in step; only a run alone can ``wait`` for another process."""
        return grouped(runs, lambda own: 1 if wait else in_step(self.stack, own, 1))
