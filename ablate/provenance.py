"""Where a run was made: the state of the code, and the machine."""

from __future__ import annotations

import functools
import os
import platform
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SECONDS = 10.0


@dataclass(frozen=True)
class Repository:
    """The git repository of a folder: its root, its commit, and what the tracked files have that this has not."""

    root: str
    commit: str | None
    diff: str

    def facts(self) -> dict[str, Any]:
        """Return what the record keeps; the difference is a file of its own."""
        return {"commit": self.commit, "dirty": bool(self.diff), "root": self.root}


@functools.cache
def repository(folder: Path) -> Repository | None:
    """Return the repository that ``folder`` is in, as it was when first asked; None without git, or outside of one."""
    root = _git(folder, "rev-parse", "--show-toplevel")
    if root is None:
        return None
    commit = _git(folder, "rev-parse", "--verify", "HEAD")  # none before the first
    diff = _git(folder, "diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color", "--binary") if commit else None
    return Repository(root.strip(), commit.strip() if commit else None, diff or "")


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints; None where it is not there or fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace")


def machine() -> dict[str, Any]:
    """Return host, operating system, processor, cores and memory in bytes; what a system does not tell is None."""
    return {
        "host": socket.gethostname(),
        "system": platform.platform(),
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "memory": _memory(),
    }


@functools.cache
def _processor() -> str | None:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None
