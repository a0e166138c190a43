"""Following runs that are trained out of sight, by a launcher of somebody else's: their records tell."""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence

from ablate.engines.engine import Watch
from ablate.engines.planned import PlannedRun
from ablate.errors import RecordError
from ablate.facts import Status
from ablate.stop import Stop

_POLL = 1.0  # seconds


class Follower:
    """Tells a watch what the records say: from a thread of its own while it looks, and then from the caller's."""

    def __init__(self, runs: Sequence[PlannedRun], watch: Watch) -> None:
        self._watch = watch
        self._open = {number: (planned, len(planned.record().facts.attempts)) for number, planned in enumerate(runs)}
        self._begun: set[int] = set()

    def look(self) -> None:
        """Tell which runs have begun and ended since the last look."""
        for number, (planned, before) in list(self._open.items()):
            with contextlib.suppress(RecordError):
                record = planned.record()
                if len(record.facts.attempts) == before:
                    continue
                if number not in self._begun:
                    self._begun.add(number)
                    self._watch.started(planned)
                if record.status is not Status.running:
                    self._end(number)

    def finish(self, left_out: Sequence[str | None]) -> None:
        """Tell the end of every other run, ``left_out`` saying which were not trained, and why."""
        self.look()
        for number in list(self._open):
            self._end(number, left_out[number])

    def _end(self, number: int, left_out: str | None = None) -> None:
        planned, _ = self._open.pop(number)
        self._watch.ended(planned, left_out)


def _interrupt_main() -> None:
    """Have the main thread handle SIGINT, at once where the system can wake it."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()


@contextlib.contextmanager
def following(follower: Follower, stop: Stop, here: Callable[[], bool]) -> Iterator[None]:
    """Look every second; at a request to ``stop``, raise ``KeyboardInterrupt`` in the main thread, which waits.

    Unless the runs are trained ``here``: then they see the request, and leave their checkpoints undisturbed.
    """
    over = threading.Event()

    def loop() -> None:
        while not over.wait(_POLL):
            follower.look()
            if stop.requested:
                if not here():
                    _interrupt_main()
                return

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
