"""What was measured of a run's layers, as a table on disk: ``layers.csv``, one row per step and layer."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from pathlib import Path

from ablate.atomic import atomic
from ablate.shapes import FAR, clean

MEASURES = (
    "gradient_norm",
    "update_ratio",
    "weight_norm",
    "activation_mean",
    "activation_std",
    "dead",
    "saturated",
)
"""The columns beside ``step`` and ``layer``; what they mean is in ``ablate.training.diagnostics``."""

Row = dict[str, str | float]
"""``step``, ``layer``, and those of the measures that the layer has."""


def write_layers(path: Path, rows: Iterable[Row]) -> None:
    """Write ``layers.csv``, an empty cell where a layer lacks a measure."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["step", "layer", *MEASURES], restval="")
        writer.writeheader()
        writer.writerows({k: v if isinstance(v, str) else f"{v:.8g}" for k, v in row.items()} for row in rows)


def read_layers(path: Path) -> list[Row]:
    """Return the rows in the order in which they were written; none where there is no table, or a damaged one."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [_read(row) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return []


def _read(row: dict[str, str]) -> Row:
    numbers: Row = {name: _number(row[name]) for name in ("step", *MEASURES) if row[name]}
    return numbers | {"layer": clean(row["layer"])}


def _number(text: str) -> float:
    """Return a number; what no float32 comes near is infinite."""
    value = float(text)
    return math.copysign(math.inf, value) if abs(value) > FAR else value
