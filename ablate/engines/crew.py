"""A worker process as its parent sees it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ablate.engines.groups import Group
from ablate.engines.log import last_words
from ablate.engines.messages import STOP, Ended, Setup
from ablate.engines.planned import PlannedRun
from ablate.engines.processes import CONTEXT, start
from ablate.engines.slots import Slot
from ablate.errors import EngineError, RecordError
from ablate.session import pack


class Worker:
    """Trains one group of runs at a time in a process of its own."""

    def __init__(self, slot: Slot, setup: Setup) -> None:
        self.slot = slot
        self.group: Group = ()
        """What it is training."""
        self.told_to_end = False
        self._ready = False
        self._pipe, theirs = CONTEXT.Pipe()
        try:
            self._process = start("ablate.engines.worker:serve", theirs, setup)
        finally:
            theirs.close()  # so that its end closes here when the process ends

    @property
    def is_free(self) -> bool:
        """Whether it can train something, now or once it has started."""
        return not self.group and not self.told_to_end

    @property
    def is_idle(self) -> bool:
        """Whether it waits for something to train."""
        return self._ready and self.is_free

    @property
    def is_dead(self) -> bool:
        """Whether its process has ended."""
        return not self._process.is_alive()

    @property
    def sources(self) -> tuple[Any, ...]:
        """What to wait on for news: a message, or the end of the process."""
        return (self._process.sentinel, *(() if self._pipe.closed else (self._pipe,)))

    def give(self, group: Group) -> bool:
        """Send it runs; return False where it has died."""
        if self._send(_packed(group)):
            self.group = group
        return bool(self.group)

    def end(self) -> None:
        """Have it end, what it is training too: at the next moment at which it can leave checkpoints."""
        if not self.told_to_end:
            self.told_to_end = True
            self._send(STOP)

    def heard(self) -> Iterator[tuple[PlannedRun, str | None]]:
        """Yield each run that has ended since, and why it was left out, where it was."""
        while not self._pipe.closed:
            try:
                if not self._pipe.poll():  # which raises, on Windows, where the process has ended
                    return
                message = self._pipe.recv()
            except (EOFError, OSError):
                self._pipe.close()
                return
            self._ready = True
            if isinstance(message, Ended) and self.group:
                group, self.group = self.group, ()
                left_out = message.left_out or [None] * len(group)
                yield from zip(group, left_out, strict=True)

    def bury(self) -> str | None:
        """Note in the record of its one run how its process ended; return why the run was left out, or None."""
        (planned,) = self.group
        record = planned.record()
        try:
            record.mark_killed(epitaph(self._process.exitcode), last_words(record.folder), self._process.pid)
        except RecordError as error:
            return str(error)
        return None

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _send(self, content: bytes) -> bool:
        with suppress(OSError, ValueError):
            self._pipe.send_bytes(content)
            return True
        return False


def epitaph(status: int | None) -> str:
    """Say how a process ended, from its exit status."""
    if status is None or status >= 0:
        return f"its process ended with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    reasons = {
        "SIGKILL": ", perhaps because memory ran out",
        "SIGSEGV": ", a fault in native code",
    }
    return f"its process was ended by {name}{reasons.get(name, '')}"


def _packed(group: Group) -> bytes:
    try:
        return pack(group)
    except Exception as error:  # whatever a technique's own parts raise
        raise EngineError(
            f"{group[0].title} cannot be sent to a worker process ({type(error).__name__}: {error}). "
            "workers=0 trains in this process."
        ) from error
