"""What a run prints in a process of its own: kept in its folder, in the order of its attempts."""

from __future__ import annotations

import datetime
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

NAME = "log.txt"

_HEADER = b"--- "
_LINES = 20
_BYTES = 65536


class Log(AbstractContextManager[None]):
    """Takes all that this process prints while it is entered, from native code too, into the log in ``folder``.

    It begins with a line of its own. It can be entered again, and within that of another run.
    """

    def __init__(self, folder: Path, command: str) -> None:
        self.path = folder / NAME
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with self.path.open("ab") as file:
            file.write(_HEADER + f"{now} process {os.getpid()}: {command}\n".encode())
        self._kept: list[dict[int, int]] = []

    def __enter__(self) -> None:
        _flush()
        self._kept.append({number: os.dup(number) for number in (1, 2)})
        with self.path.open("ab") as file:
            for number in (1, 2):
                os.dup2(file.fileno(), number)

    def __exit__(self, *_: object) -> None:
        _flush()
        for number, original in self._kept.pop().items():
            os.dup2(original, number)
            os.close(original)


def last_words(folder: Path) -> list[str]:
    """Return the last lines that the last attempt printed."""
    try:
        with (folder / NAME).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _BYTES))
            lines = file.read().splitlines()
    except OSError:
        return []
    begun = max((number + 1 for number, line in enumerate(lines) if line.startswith(_HEADER)), default=0)
    return [line.decode(errors="replace") for line in lines[begun:][-_LINES:]]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
