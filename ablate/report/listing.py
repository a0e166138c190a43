"""What is on disk, as data: the runs of each sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablate.analysis.naming import names
from ablate.record import Record, find
from ablate.report.json_values import plain
from ablate.results import summary

SCHEMA = 1


def document(folders: Sequence[Path], root: Path) -> dict[str, Any]:
    """Return the runs in each of the ``folders`` of sweeps, and what cannot be read there."""
    told: dict[str, Any] = plain(
        {"schema": SCHEMA, "output_dir": root, "sweeps": [*filter(_is_one, map(_sweep, folders))]}
    )
    return told


def _is_one(told: dict[str, Any]) -> bool:
    """Whether a folder holds runs at all: trackers keep theirs beside ours."""
    return bool(told["runs"] or told["problems"])


def _sweep(folder: Path) -> dict[str, Any]:
    records, problems = find(folder)
    called = names({record.facts.arm_hash: record.facts.arm for record in records})
    return {
        "name": folder.name,
        "folder": folder,
        "shared": called.shared,
        "runs": [_run(record, called.of(record.facts.arm_hash, record.facts.arm)) for record in records],
        "problems": problems,
    }


def _run(record: Record, arm: str) -> dict[str, Any]:
    facts, curve = record.facts, summary(record)
    return {
        "arm": arm,
        "hash": facts.arm_hash,
        "seed": facts.seed,
        "status": record.status,
        "metric": facts.metric,
        "higher_is_better": facts.higher_is_better,
        "best": curve.best,
        "final": curve.final,
        "test": facts.test,
        "started": facts.started,
        "seconds": facts.seconds,
        "settings": facts.settings,
        "folder": record.folder,
        "error": facts.error,
        "loaded": facts.transfer and facts.transfer.get("share"),
        "imported": facts.imported,
    }
