"""The lock on a run's folder: one process trains a run, on whatever machine, and a dead one blocks nobody.

A file that exists while the lock is held and is touched every few seconds. Whoever waits takes it over at once where
its owner is dead and ran on the same machine, and from any machine once it has not been touched for the length of a
lease, by the waiting process's own clock. So it works on a shared file system, and no two clocks need to agree.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from ablate.atomic import unwritable
from ablate.errors import BusyError
from ablate.stop import Stop

NAME = ".lease"
LEASE_SECONDS = 60.0
"""How long an owner may be out of reach before another machine takes over; the same for all who share a folder."""

_ABANDONED = 3  # leases: clocks of two machines may differ by a minute
_POLL_SECONDS = 0.2
_LOOKS = 3  # while another process looks whether the owner lives, the file may be away for a moment


class Lock:
    """A lock that this process holds."""

    def __init__(self, folder: Path, lease: SoftFileLease) -> None:
        self.folder = folder
        self._lease = lease
        self._identity = self._look()

    def check(self) -> None:
        """Raise ``BusyError`` where another process has taken over: this one was suspended, say, for hours."""
        for _ in range(_LOOKS):
            if self._lease.compromise is None and self._look() in (self._identity, None):
                return
            time.sleep(_POLL_SECONDS)
        raise BusyError(
            f"{self.folder} has been taken over by another process, as this one was not heard of for too long. "
            "What this one trained since its last checkpoint is dropped."
        )

    def _look(self) -> tuple[int, int] | None:
        """Return which file the lock is now; None where the file system does not answer."""
        try:
            found = (self.folder / NAME).stat()
        except FileNotFoundError:
            return (0, 0)
        except OSError:
            return None
        return found.st_dev, found.st_ino


@contextlib.contextmanager
def hold(folder: Path, *, wait: bool = False, stop: Stop | None = None) -> Iterator[Lock]:
    """Hold the folder's lock; raise ``BusyError`` where another process does and ``wait`` is not said.

    A lock that looks abandoned by another machine is watched for the length of a lease even so, and then taken over.
    Whoever waits stops waiting with ``KeyboardInterrupt`` when ``stop`` is requested.
    """
    lease = SoftFileLease(folder / NAME, lease_duration=LEASE_SECONDS, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lease.acquire(
            timeout=-1 if wait else 1.5 * LEASE_SECONDS if _untouched(folder) > _ABANDONED * LEASE_SECONDS else 0,
            poll_interval=_POLL_SECONDS,
            cancel_check=(lambda: stop.requested) if stop is not None else None,
        )
    except (Timeout, LeaseSettingsMismatch) as error:
        if stop is not None and stop.requested:
            raise KeyboardInterrupt from error
        owner = lease.owner
        who = f" ({owner.pid} on {owner.hostname})" if owner else ""
        raise BusyError(f"{folder} is being trained by another process{who}.") from error
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield Lock(folder, lease)
    finally:
        with contextlib.suppress(OSError):
            lease.release()


def is_held(folder: Path, pid: int | None, host: str | None) -> bool:
    """Say, at the cost of a look at the file, whether the process that wrote ``pid`` and ``host`` still trains.

    One on another machine is believed for as long as it touches the lock, and on Windows, where the signal 0 is
    Ctrl-C, one on this.
    """
    if not (folder / NAME).exists() or _untouched(folder) > _ABANDONED * LEASE_SECONDS or pid is None:
        return False
    return host != socket.gethostname() or exists(pid)


def _untouched(folder: Path) -> float:
    """Return for how many seconds nobody has touched the lock, as the clocks of two machines have it; 0 without one."""
    try:
        return time.time() - (folder / NAME).stat().st_mtime
    except OSError:
        return 0.0


def exists(pid: int) -> bool:
    """Say whether a process of this machine is there; on Windows, where asking would be Ctrl-C, it is believed."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
