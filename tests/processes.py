"""The command line as processes that a test sends signals to."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


class Call:
    """``python -m ablate`` in a session of its own: its processes can be found, and sent signals together."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ablate", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # started in the background, this process ignores Ctrl-C and its children inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def wait_for_curves(self, runs: int = 2) -> None:
        """Wait until so many runs have begun to write curves."""
        until(lambda: len(list(self.folder.rglob("metrics.csv"))) >= runs, 120)

    def left(self) -> list[int]:
        """Return the processes of its session that still exist."""
        return list(self._parents())

    def workers(self) -> list[int]:
        """Return its worker processes: the grandchildren, whose parent is the server that they are forked from."""
        parents = self._parents()
        return [pid for pid, parent in parents.items() if parents.get(parent) == self.process.pid]

    def _parents(self) -> dict[int, int]:
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                stat = (folder / "stat").read_text(encoding="utf-8")
            except OSError:  # it has ended meanwhile
                continue
            state, parent, _, session = stat.rpartition(")")[2].split()[:4]
            if int(session) == self.process.pid and state != "Z":
                found[int(folder.name)] = int(parent)
        return found


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until ``condition`` holds; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)
