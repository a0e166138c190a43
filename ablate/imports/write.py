"""Imported runs on disk: a record each, and what they are together in ``sweep.json``, each file whole.

The same import again changes nothing; another into the same folder takes its place. A kill leaves whole records, and
the same import completes them.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ablate.analysis.table import label
from ablate.atomic import check_writable, write_atomically
from ablate.curves import digest, table_text
from ablate.designs.calibration import AUTO
from ablate.errors import BusyError, ConfigError
from ablate.facts import Facts, Status
from ablate.imports.assigned import Assigned, Assignment
from ablate.lock import hold
from ablate.record import Record, find, folder_label
from ablate.sweep_facts import SweepFacts

DESIGN = "imported"


def write(
    made: Assignment, folder: Path, form: str, source: str, command: str, target: float | str = AUTO
) -> list[Record]:
    """Write the records and ``sweep.json`` into ``folder``, and remove what an earlier import left there beside them.

    Raises ``ConfigError`` where the folder holds runs that ablate trained: they are not mixed with others.
    """
    check_writable(folder)
    try:
        with hold(folder):
            old, problems = find(folder)
            if own := [record for record in old if record.facts.imported is None]:
                raise ConfigError(
                    f"{folder} holds runs that were trained here, {own[0].folder.parent.name} for one: name=… gives "
                    "those that are imported a folder of their own."
                )
            if problems:
                raise ConfigError(f"{problems[0]} Remove it, or import into another folder, name=….")
            records = _records(made, folder, form, source)
            for made_record, table in records:
                _save(made_record, table)
            kept = {record.folder for record, _ in records}
            for record in old:
                if record.folder not in kept:
                    _remove(record.folder)
            _sweep(made, [record for record, _ in records], form, source, command, target).save(folder)
    except BusyError as error:
        raise ConfigError(f"{folder} is being written by another process: wait for its end.") from error
    return [record for record, _ in records]


def arm_hash(levels: dict[str, Any]) -> str:
    """Return eight hex digits of an imported arm's levels; those of arms that were trained here are of more."""
    identity = json.dumps({"imported": {name: label(level) for name, level in levels.items()}}, sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()[:8]


def _records(made: Assignment, folder: Path, form: str, source: str) -> list[tuple[Record, str]]:
    """Return each run's record and its table of curves."""
    last = {id(run): run.rows[-1]["step"] for run in made.runs}
    budget = int(max(last.values()))
    found = []
    for run in made.runs:
        levels = {name: level for name, level in run.levels.items() if level is not None}
        arm = ",".join(f"{name}={label(level)}" for name, level in levels.items())
        key = arm_hash(levels)
        rows = [{name: value for name, value in row.items() if not name.startswith("test/")} for row in run.rows]
        curves = [row for row in rows if len(row) > 1]
        facts = Facts(
            status=_status(run, made.metric),
            arm=arm,
            arm_hash=key,
            seed=run.seed,
            choices={},
            settings=_settings(run, levels, made),
            metric=made.metric,
            higher_is_better=made.higher_is_better,
            test=_test(run),
            budget=budget,
            started=run.found.started,
            seconds=run.found.seconds,
            imported={"from": form, "source": source, "run": run.found.place},
        )
        if facts.status in (Status.failed, Status.killed):
            facts.error = f"Its tracker says that it {'failed' if facts.status is Status.failed else 'was killed'}."
        found.append((Record(folder / f"{folder_label(arm)}-{key}" / f"seed={run.seed}", facts), table_text(curves)))
    if short := sum(step < budget for step in last.values()):
        made.notes.append(
            f"{short} of {len(last)} runs end before step {budget}, up to which others go: not having reached the "
            "target, they count as if they had not by then"
        )
    return found


def _status(run: Assigned, metric: str) -> Status:
    """Return what became of a run: diverged where the metric, or the validation loss, ended as no number."""
    if run.found.status not in (Status.finished, Status.interrupted):
        return run.found.status
    for name in (metric, "val/loss"):
        values = [row[name] for row in run.rows if name in row]
        if values and not math.isfinite(values[-1]):
            return Status.diverged
    return run.found.status


def _settings(run: Assigned, levels: dict[str, Any], made: Assignment) -> dict[str, Any]:
    """Return the levels, and those parameters that all runs share: what is another in each is no setting of an arm."""
    shared = {
        name: value
        for name, value in made.runs[0].found.parameters.items()
        if name not in made.factors and all(other.found.parameters.get(name) == value for other in made.runs)
    }
    return {**shared, **levels}


def _test(run: Assigned) -> dict[str, float | None]:
    """Return the last value of each metric of the test."""
    last = {name: value for row in run.rows for name, value in row.items() if name.startswith("test/")}
    return {name: value if math.isfinite(value) else None for name, value in last.items()}


def _save(record: Record, table: str) -> None:
    """Write a run, unless it is there as it is to be: first its curves, then the record that knows them by digest."""
    path = record.folder / "metrics.csv"
    record.facts.curves = hashlib.sha256(table.encode()).hexdigest()[:16]
    text = json.dumps(asdict(record.facts), indent=2, allow_nan=False) + "\n"
    there = record.folder / "record.json"
    if there.is_file() and there.read_text(encoding="utf-8") == text and digest(path) == record.facts.curves:
        return
    there.unlink(missing_ok=True)
    write_atomically(path, table)
    record.save()


def _remove(run: Path) -> None:
    """Remove an imported run, and its arm's folder where it was the last one."""
    (run / "record.json").unlink(missing_ok=True)
    shutil.rmtree(run, ignore_errors=True)
    if not any(run.parent.iterdir()):
        run.parent.rmdir()


def _sweep(
    made: Assignment, records: Sequence[Record], form: str, source: str, command: str, target: float | str
) -> SweepFacts:
    levels: dict[str, dict[str, None]] = {name: {} for name in made.factors}
    for run in made.runs:
        for name, level in run.levels.items():
            if level is not None:
                levels[name][label(level)] = None
    arms = {record.facts.arm_hash: record.facts.arm for record in records}
    return SweepFacts(
        design=DESIGN,
        factors={name: list(values) for name, values in levels.items()},
        seeds=sorted({record.facts.seed for record in records}),
        arms=list(arms),
        labels=list(arms.values()),
        notes=[f"Imported ({form}) from {source}: trained elsewhere, so that none of it can be rerun or resumed"]
        + [f"{note[0].upper()}{note[1:]}" for note in made.notes],
        target=target,
        command=command,
    )
