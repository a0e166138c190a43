"""A request to stop: what trains saves a checkpoint and ends; asked for twice, it ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Asked for by a signal, another thread or another process; whoever trains looks at it after every batch."""

    def __init__(self) -> None:
        self._requested = False  # no threading.Event: a signal may come while one is being set
        self.by_signal = False
        """Whether a person or the system asked, rather than the program."""

    @property
    def requested(self) -> bool:
        """Whether training is to save a checkpoint and end."""
        return self._requested

    def request(self) -> None:
        """Ask to stop; asking again changes nothing."""
        self._requested = True


@contextmanager
def signals_request(stop: Stop) -> Iterator[None]:
    """Have Ctrl-C and SIGTERM ask for ``stop``; a second Ctrl-C raises ``KeyboardInterrupt`` at once.

    Signals belong to the main thread; in any other this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def request(number: int, frame: FrameType | None) -> None:
        if stop.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.by_signal = True
        stop.request()

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
