"""``report --watch``: a report that follows sweeps until they have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ablate.errors import RecordError, did_you_mean
from ablate.facts import Status
from ablate.record import find
from ablate.report.style import console
from ablate.sweep_facts import SweepFacts, sweep_folders

WATCH_SECONDS = 10.0
"""How often it looks again."""


def watch(names: Sequence[str], root: Path, report: Callable[[Path], None]) -> None:
    """Report whenever a run has begun or ended, until the sweeps have ended; one that is not there is waited for."""
    shown: object = None
    waiting: list[str] = []
    while True:
        there = [folder for name in names if (folder := sweep_at(name, root))] if names else sweep_folders(root)
        seen = _seen(there)
        ended = bool(there) and len(there) >= len(names) and not any(map(_in_training, there))
        if there and seen != shown:
            shown = seen
            console().clear()
            for folder in there:
                try:
                    report(folder)
                except RecordError as error:  # its first record is being written
                    console().print(f"{error}", markup=False)
        missing = [name for name in names if sweep_at(name, root) is None] or ([] if there else [str(root)])
        if missing and not waiting:
            console().print(_waiting(missing, names, root), markup=False)
        waiting = missing
        if ended and _seen(there) == shown:
            return
        time.sleep(WATCH_SECONDS)


def sweep_at(name: str, root: Path) -> Path | None:
    """Return the folder of a sweep that has a run, or None."""
    return next((f for f in (Path(name), root / name) if any(f.glob("*/seed=*/record.json"))), None)


def _waiting(missing: Sequence[str], names: Sequence[str], root: Path) -> str:
    known = {folder.name for folder in sweep_folders(root)} - {*names}
    meant = "".join(did_you_mean(name, known) for name in missing if name in names)
    return f"Waiting for {', '.join(missing)}: no run there yet.{meant} Ctrl-C ends this."


def _seen(folders: Iterable[Path]) -> dict[Path, dict[Path, Status]]:
    return {folder: _statuses(folder) for folder in folders}


def _statuses(folder: Path) -> dict[Path, Status]:
    """Return how each run stands."""
    return {record.folder: record.status for record in find(folder)[0]}


def _in_training(folder: Path) -> bool:
    """Whether the sweep in ``folder`` goes on, or a run without a sweep does; or none of it can be read yet."""
    facts, statuses = SweepFacts.load(folder), _statuses(folder)
    if facts is None and not statuses:
        return True
    return (facts is not None and facts.in_training) or Status.running in statuses.values()
