"""One attempt at a run: what the record says before, during and after, however it ends."""

from __future__ import annotations

import datetime
import errno
import os
import platform
import socket
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import lightning
import torch
import yaml

from ablate import files, provenance
from ablate.accounting.memory import out_of_memory
from ablate.atomic import unwritable, write_atomically
from ablate.config import Config
from ablate.curves import digest
from ablate.errors import BusyError, RecordError
from ablate.facts import Attempt, Status
from ablate.record import Record
from ablate.training.checkpoints import Saved
from ablate.training.clock import Clock
from ablate.training.resume import Stopped

_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the same file, where there is libyaml in a tenth of the time
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS}


@contextmanager
def recorded(
    record: Record, config: Config, clock: Clock, saved: Saved | None, overrides: Sequence[str], command: str | None
) -> Iterator[None]:
    """Write the record before and after training, which goes on from ``saved`` where there is one.

    Raises ``KeyboardInterrupt`` where training was stopped, and else what training raises.
    """
    _begin(record, config, saved, overrides, command)
    facts, own = record.facts, record.facts.attempts[-1]
    began = clock()
    try:
        yield
    except BusyError:  # the folder is another process's: nothing more is written
        raise
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            error = unwritable(record.folder, error)
        # Lightning turns Ctrl-C into SystemExit
        stopped = isinstance(error, KeyboardInterrupt | SystemExit | Stopped)
        # where a disk was full, nothing is wrong with the run: it goes on when there is room
        facts.status = Status.interrupted if stopped or isinstance(error, RecordError) else Status.failed
        if not isinstance(error, Stopped):
            facts.error, facts.traceback = _sentence(error, config), traceback.format_exc()
        _end(record, own, saved, clock() - began)
        if stopped:
            raise KeyboardInterrupt from error
        raise error
    else:
        _end(record, own, saved, clock() - began)


def _begin(record: Record, config: Config, saved: Saved | None, overrides: Sequence[str], command: str | None) -> None:
    facts = record.facts
    for earlier in facts.attempts:
        if earlier.status is Status.running:  # it never came to say how it ended
            earlier.status = Status.killed if facts.status is Status.killed else Status.interrupted
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    repository = provenance.repository(Path.cwd())
    facts.git = repository.facts() if repository else None
    own = Attempt(
        now,
        socket.gethostname(),
        os.getpid(),
        saved.step if saved else 0,
        repository.commit if repository else None,
    )
    facts.attempts.append(own)
    facts.status, facts.pid, facts.host = Status.running, own.pid, own.host
    facts.error = facts.traceback = None
    facts.log, facts.test, facts.curves, facts.stack = [], {}, None, []
    facts.started = facts.started if saved and facts.started else now
    facts.seconds = saved.seconds if saved else None
    facts.versions = _versions(config)
    facts.overrides, facts.command = list(overrides), command
    facts.plugins = [str(path) for path in files.named() if f"file:{path.name}" in facts.versions]
    gpu = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    facts.machine = provenance.machine() | {"gpu": gpu}
    record.clear(keep_checkpoints=saved is not None)
    if repository and repository.diff:
        write_atomically(record.folder / "git.diff", repository.diff)
    write_atomically(record.folder / "config.yaml", yaml.dump(config.to_dict(), Dumper=_Dumper, sort_keys=False))
    record.save()


def _end(record: Record, own: Attempt, saved: Saved | None, seconds: float) -> None:
    own.seconds = round(seconds, 3)
    own.status = record.facts.status
    if record.facts.status.done:
        record.facts.curves = digest(record.folder / "metrics.csv")
    record.facts.seconds = round(own.seconds + (saved.seconds if saved else 0.0), 3)
    record.save()


def _sentence(error: BaseException, config: Config) -> str:
    """Return what went wrong, and the way out where it is known."""
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    if not out_of_memory(error):
        return said
    return (
        f"Out of memory. Take a smaller data.batch_size than {config.data.batch_size} (with "
        f"trainer.accumulate_grad_batches for the same step), or a smaller network. {said.splitlines()[0]}"
    )


def _versions(config: Config) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "lightning": lightning.__version__,
        **config.versions(),
    }
