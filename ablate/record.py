"""The record: what a run leaves on disk. The folder is the truth; every file is written whole or not at all.

    outputs/<name>/<arm>-<hash8>/seed=<n>/
        config.yaml     the resolved configuration
        record.json     status, identity, timings, versions, test metrics; the traceback of a failure
        metrics.csv     the curves, one row per validation
        events.out.*    the same for TensorBoard
        best.ckpt, last.ckpt

Reading needs neither torch nor the plugins that made the run.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from filelock import FileLock, Timeout

from ablate.atomic import atomic, unwritable, write_atomically
from ablate.config import Config
from ablate.errors import RecordError

Curves = dict[str, npt.NDArray[np.float64]]

_UNSAFE = re.compile(r"[^A-Za-z0-9=,.+_\[\]-]")
_LABEL_LENGTH = 120  # file names end at 255 bytes on common file systems; the hash keeps cut labels apart


class Status(StrEnum):
    """What became of a run."""

    running = "running"
    finished = "finished"
    diverged = "diverged"
    failed = "failed"
    interrupted = "interrupted"
    killed = "killed"
    """Its process was ended by the system: out of memory, say."""
    missing = "missing"
    """Never begun."""

    @property
    def done(self) -> bool:
        """Whether training the run again would give the same result."""
        return self in (Status.finished, Status.diverged)


FAILURES = frozenset({Status.failed, Status.killed})
"""A run that ended otherwise than it should: something has to be mended."""


@dataclass
class Facts:
    """The content of ``record.json``."""

    status: Status
    arm: str
    arm_hash: str
    seed: int
    choices: dict[str, str]
    """The option of each kind."""
    settings: dict[str, Any]
    """Every scientific setting by its key on the command line."""
    metric: str = "val/loss"
    """The validation metric that the run is judged by."""
    higher_is_better: bool = False
    test: dict[str, float | None] = field(default_factory=dict)
    """Test metrics of the weights with the best validation metric; None where one is not finite."""
    parameters: int | None = None
    transfer: dict[str, Any] | None = None
    """What ``init_from`` loaded, what it did not and why."""
    macs: int | None = None
    """Multiply-adds of one example."""
    optimizer_state_bytes: int | None = None
    """What the optimizer kept of the weights after the last step."""
    started: str | None = None
    seconds: float | None = None
    pid: int | None = None
    host: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    traceback: str | None = None
    schema: int = 1


class Record:
    """One run's folder."""

    def __init__(self, folder: Path, facts: Facts) -> None:
        self.folder = folder
        self.facts = facts

    def __repr__(self) -> str:
        return f"Record({str(self.folder)!r}, {self.status})"

    @property
    def status(self) -> Status:
        """The status as written, or ``interrupted`` where the process that was training is gone."""
        if self.facts.status is Status.running and not _alive(self.facts.pid, self.facts.host):
            return Status.interrupted
        return self.facts.status

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run for this process; raise ``RecordError`` where another holds it.

        The operating system frees the lock of a process that ends, however it ends.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / ".lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise RecordError(f"{self.folder} is being trained by another process.") from error
        except OSError as error:
            raise unwritable(self.folder, error) from error
        try:
            yield
        finally:
            lock.release()

    def reload(self) -> None:
        """Read again what another process may have written, where there is anything."""
        if (self.folder / "record.json").exists():
            self.facts = read(self.folder).facts

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to train: the run ended by itself, and its curves are there."""
        return self.status.done and self.facts.metric in self.curves()

    @property
    def checkpoint(self) -> Path:
        """The weights with the best validation metric."""
        return self.folder / "best.ckpt"

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, as plain data."""
        with (self.folder / "config.yaml").open(encoding="utf-8") as file:
            tree: dict[str, Any] = yaml.safe_load(file)
        return tree

    def save(self) -> None:
        """Write ``record.json``."""
        text = json.dumps(asdict(self.facts), indent=2, allow_nan=False)
        write_atomically(self.folder / "record.json", text + "\n")

    def mark_killed(self, reason: str) -> None:
        """Note that the system ended the run's process; nothing where the run was done before that.

        Raises ``RecordError`` where another process is training it.
        """
        with self.lock():
            self.reload()
            if not self.facts.status.done:
                self.facts.status, self.facts.error, self.facts.traceback = Status.killed, reason, None
                self.save()

    def curves(self) -> Curves:
        """Return ``step`` and every logged scalar, one value per validation; empty before the first, or if damaged."""
        path = self.folder / "metrics.csv"
        if not path.is_file():
            return {}
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            names = rows[0].keys() if rows else ()
            return {n: np.array([float(row[n] or "nan") for row in rows]) for n in names}
        except (ValueError, TypeError, csv.Error):
            return {}

    def clear(self) -> None:
        """Remove what an earlier attempt left, so that curves have no doubled steps."""
        for pattern in ("metrics.csv", "events.out.tfevents.*", "*.ckpt", ".*.tmp"):
            for path in self.folder.glob(pattern):
                path.unlink()


def open_record(config: Config) -> Record:
    """Return the record of ``config``: as it is on disk, or new and not yet written.

    The arm's folder is found by its hash, whatever its label was when it was made.
    """
    root = Path(config.output_dir) / config.folder_name
    digest = config.arm_hash
    label = _UNSAFE.sub("_", config.label or "default")[:_LABEL_LENGTH]
    arms = sorted(root.glob(f"*-{digest}"))
    folder = (arms[0] if arms else root / f"{label}-{digest}") / f"seed={config.seed}"
    if (folder / "record.json").exists():
        return read(folder)
    return Record(
        folder,
        Facts(
            status=Status.missing,
            arm=config.label or "default",
            arm_hash=digest,
            seed=config.seed,
            choices=config.choices(),
            settings=config.flat(),
        ),
    )


def read(folder: Path) -> Record:
    """Read the record in ``folder``; raise ``RecordError`` if it is none."""
    try:
        content = json.loads((folder / "record.json").read_text(encoding="utf-8"))
        known = {name: content[name] for name in Facts.__dataclass_fields__ if name in content}
        facts = Facts(**known)
        facts.status = Status(facts.status)
    except (OSError, ValueError, TypeError) as error:
        raise RecordError(
            f"{folder / 'record.json'} cannot be read: {_reason(error)}. "
            f"Move the folder {folder} away to train the run again."
        ) from error
    return Record(folder, facts)


def _reason(error: Exception) -> str:
    return "it lacks some of its fields" if isinstance(error, TypeError) else str(error)


def find(root: Path) -> tuple[list[Record], list[str]]:
    """Return every record under ``root``, by arm and seed, and a sentence for each that cannot be read."""
    records, problems = [], []
    for path in root.rglob("record.json"):
        try:
            records.append(read(path.parent))
        except RecordError as error:
            problems.append(str(error))
    return sorted(records, key=lambda r: (r.folder.parent.as_posix(), r.facts.seed)), sorted(problems)


def write_curves(path: Path, rows: Iterable[Mapping[str, float]]) -> None:
    """Write ``metrics.csv``: the union of all keys as columns, an empty cell where a row lacks one."""
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows({name: f"{value:.8g}" for name, value in row.items()} for row in rows)


def _alive(pid: int | None, host: str | None) -> bool:
    """Say whether the process exists; one on another machine is taken at its word."""
    if pid is None:
        return False
    if host != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
