"""The record: what a run leaves on disk. The folder is the truth; every file is written whole or not at all.

    outputs/<name>/<arm>-<hash8>/seed=<n>/
        config.yaml     the resolved configuration
        record.json     status, identity, timings, versions, test metrics; the traceback of a failure
        metrics.csv     the curves, one row per validation
        layers.csv      what happened in each layer, at a few steps
        events.out.*    the same for TensorBoard
        best.ckpt       the weights with the best validation metric
        last.ckpt       where an interrupted run goes on, or the end of training
        git.diff        what the repository had that its commit has not
        log.txt         what its processes printed, where it was trained in processes of its own
        damaged-<n>/    files that could not be read

Reading needs neither torch nor the plugins that made the run.
"""

from __future__ import annotations

import contextlib
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from ablate.atomic import unwritable, write_atomically
from ablate.config import Config
from ablate.curves import Curves, digest, read_curves
from ablate.errors import DamageWarning, RecordError
from ablate.facts import Facts, Status
from ablate.lock import Lock, hold, is_held
from ablate.shapes import read_json, shaped
from ablate.stop import Stop

__all__ = ["Facts", "Record", "Status", "find", "open_record", "read"]

_UNSAFE = re.compile(r"[^A-Za-z0-9=,.+_\[\]-]")
_LABEL_LENGTH = 120  # file names end at 255 bytes on common file systems; the hash keeps cut labels apart
_DAMAGED = "damaged-"


class Record:
    """One run's folder."""

    def __init__(self, folder: Path, facts: Facts, damage: str | None = None) -> None:
        self.folder = folder
        self.facts = facts
        self.damage = damage
        """Why ``record.json`` cannot be read, where it cannot."""
        self._lock: Lock | None = None

    def __repr__(self) -> str:
        return f"Record({str(self.folder)!r}, {self.status})"

    @property
    def status(self) -> Status:
        """The status as written, or ``interrupted`` where the process that was training is gone."""
        facts = self.facts
        if facts.status is Status.running and not is_held(self.folder, facts.pid, facts.host):
            return Status.interrupted
        return facts.status

    @contextlib.contextmanager
    def lock(self, *, wait: bool = False, stop: Stop | None = None) -> Iterator[None]:
        """Hold the run for this process; raise ``BusyError`` where another holds it, or ``wait`` until none does.

        A process that ends loses it, however it ends. ``stop`` ends the waiting with ``KeyboardInterrupt``.
        """
        with hold(self.folder, wait=wait, stop=stop) as self._lock:
            try:
                yield
            finally:
                self._lock = None

    def check_held(self) -> None:
        """Raise ``BusyError`` where this process held the run and another has taken it over."""
        if self._lock is not None:
            self._lock.check()

    def reload(self) -> None:
        """Read again what another process may have written, where there is anything."""
        if (self.folder / "record.json").exists():
            fresh = _read_or_new(self.folder, self.facts)
            self.facts, self.damage = fresh.facts, fresh.damage

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
        self.check_held()
        text = json.dumps(asdict(self.facts), indent=2, allow_nan=False)
        write_atomically(self.folder / "record.json", text + "\n")

    def keep_last_words(self, log: Sequence[str]) -> None:
        """Note what a run printed last, where it failed."""
        self.reload()
        if self.facts.status is not Status.failed:
            return
        with self.lock():
            self.reload()
            if self.facts.status is Status.failed:
                self.facts.log = list(log)
                self.save()

    def mark_killed(self, reason: str, log: Sequence[str] = (), pid: int | None = None) -> None:
        """Note that the system ended the run's process, ``pid``, and its last words.

        Nothing is noted where the run was done before that, or where another process has trained it since. Raises
        ``BusyError`` where one does now.
        """
        with self.lock():
            self.reload()
            last = self.facts.attempts[-1] if self.facts.attempts else None
            others = pid is not None and last is not None and (last.pid != pid or last.status is not Status.running)
            if self.facts.status.done or others:
                return
            if self.damage:
                self.set_aside("record.json", self.damage)
            self.facts.status, self.facts.error, self.facts.traceback = Status.killed, reason, None
            self.facts.log = list(log)
            if self.facts.attempts and self.facts.attempts[-1].status is Status.running:
                self.facts.attempts[-1].status = Status.killed
            self.save()

    def curves(self) -> Curves:
        """Return ``step`` and every logged scalar, one value per validation; empty before the first, or if damaged."""
        path = self.folder / "metrics.csv"
        if self.facts.status.done and self.facts.curves not in (None, digest(path)):
            return {}
        return read_curves(path)

    def curves_stamp(self) -> tuple[object, ...]:
        """Return what changes whenever :meth:`curves` does."""
        path = self.folder / "metrics.csv"
        try:
            there = path.stat()
        except OSError:
            return (path,)
        return path, there.st_ino, there.st_mtime_ns, there.st_size, self.facts.status.done, self.facts.curves

    def clear(self, *, keep_checkpoints: bool = False) -> None:
        """Remove what an earlier attempt left, so that curves have no doubled steps."""
        begun = () if keep_checkpoints else ("metrics.csv", "layers.csv", "*.ckpt")
        for pattern in ("events.out.tfevents.*", ".*.tmp", "git.diff", *begun):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)

    def set_aside(self, name: str, why: str) -> None:
        """Move a damaged file out of the way, and say so: as a ``DamageWarning``, and in the record."""
        number = 1
        while (there := self.folder / f"{_DAMAGED}{number}").exists():
            number += 1
        try:
            there.mkdir()
            (self.folder / name).rename(there / name)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        self.warn(f"{self.folder / name} was damaged ({why}) and is now {there / name}.")

    def warn(self, sentence: str) -> None:
        """Say what happened to the run's files, now and in the record."""
        self.facts.warnings.append(sentence)
        warnings.warn(sentence, DamageWarning, stacklevel=2)


def folder_label(label: str) -> str:
    """Return what the folder of an arm of that label is called before its hash."""
    return _UNSAFE.sub("_", label)[:_LABEL_LENGTH]


def open_record(config: Config) -> Record:
    """Return the record of ``config``: as it is on disk, or new and not yet written.

    The arm's folder is found by its hash, whatever its label was when it was made. A record that cannot be read
    is one not yet written, with its ``damage``.
    """
    root = Path(config.output_dir) / config.folder_name
    digest = config.arm_hash
    arms = sorted(root.glob(f"*-{digest}"))
    label = folder_label(config.label or "default")
    folder = (arms[0] if arms else root / f"{label}-{digest}") / f"seed={config.seed}"
    facts = Facts(
        status=Status.missing,
        arm=config.label or "default",
        arm_hash=digest,
        seed=config.seed,
        choices=config.choices(),
        settings=config.flat(),
    )
    return _read_or_new(folder, facts) if (folder / "record.json").exists() else Record(folder, facts)


def _read_or_new(folder: Path, facts: Facts) -> Record:
    """Return the record in ``folder``, or one of ``facts`` that notes why it cannot be read."""
    try:
        return read(folder)
    except RecordError as error:
        return Record(folder, facts, damage=str(error.__cause__ or error))


def read(folder: Path) -> Record:
    """Read the record in ``folder``; raise ``RecordError`` if it is none."""
    try:
        facts = shaped(read_json(folder / "record.json"), Facts)
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{folder / 'record.json'} cannot be read: {error}."
            if (folder / "record.json").exists()
            else f"{folder} is no folder of a run: it has no record.json. python -m ablate runs lists what there is."
        ) from error
    return Record(folder, facts)


def find(root: Path) -> tuple[list[Record], list[str]]:
    """Return every record under ``root``, by arm and seed, and a sentence for each that cannot be read."""
    records, problems = [], []
    for path in root.rglob("record.json"):
        if path.parent.name.startswith(_DAMAGED):
            continue
        try:
            records.append(read(path.parent))
        except RecordError as error:
            problems.append(str(error))
    return sorted(records, key=lambda r: (r.folder.parent.as_posix(), r.facts.seed)), sorted(problems)
