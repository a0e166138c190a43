"""What is printed while a sweep is trained."""

from __future__ import annotations

from types import TracebackType

from ablate.engines.planned import PlannedRun
from ablate.report.terminal import outcome


class Lines:
    """One line for each run that has ended."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._ended = 0

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def started(self, planned: PlannedRun) -> None:
        """Print nothing: the line comes at the end."""

    def ended(self, planned: PlannedRun, left_out: str | None = None) -> None:
        """Print how a run has ended."""
        self._ended += 1
        if left_out is None:
            outcome(planned.record(), self._ended, self._total)
        else:
            print(f"[{self._ended}/{self._total}] {planned.title}  left out: {left_out}", flush=True)
