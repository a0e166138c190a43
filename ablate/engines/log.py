"""What a run prints in a process of its own: kept in its folder, in the order of its attempts."""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "log.txt"

_HEADER = b"--- "
_LINES = 20
_BYTES = 65536


@contextmanager
def output_to(folder: Path, command: str) -> Iterator[None]:
    """Append all that this process prints, from native code too, to the log in ``folder``, below a line of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    _flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    try:
        with (folder / NAME).open("ab") as file:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            file.write(_HEADER + f"{now} process {os.getpid()}: {command}\n".encode())
            file.flush()
            for number in kept:
                os.dup2(file.fileno(), number)
        yield
    finally:
        _flush()
        for number, original in kept.items():
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
