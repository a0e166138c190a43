"""The curves of a run as a table on disk: ``metrics.csv``, one row per point."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ablate.atomic import write_atomically
from ablate.shapes import FAR, clean

Curves = dict[str, npt.NDArray[np.float64]]

LAST_STEP = 2**53
"""A later step is none: floating-point numbers cannot count so far."""


def read_curves(path: Path) -> Curves:
    """Return ``step`` and every logged scalar, one value per point; empty where there is no table, or a damaged one."""
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        names = rows[0].keys() if rows else ()
        curves = {clean(n): limited([float(row[n] or "nan") for row in rows]) for n in names}
    except (ValueError, TypeError, OSError, csv.Error):
        return {}
    steps = curves.get("step", np.full(1, np.nan))
    rising = bool(np.all(np.diff(steps) > 0) and np.all((steps >= 0) & (steps <= LAST_STEP)))
    return curves if rising else {}


def limited(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return an array in which what no float32 comes near is infinite, so that squares and sums have room."""
    array = np.array(values, dtype=np.float64)
    return np.where(np.abs(array) > FAR, np.copysign(np.inf, array), array)


def digest(path: Path) -> str | None:
    """Return what tells the file's content from any other; None where there is no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else None


def write_curves(path: Path, rows: Iterable[Mapping[str, float]]) -> None:
    """Write ``metrics.csv``: the union of all keys as columns, an empty cell where a row lacks one."""
    write_atomically(path, table_text(rows))


def table_text(rows: Iterable[Mapping[str, float]]) -> str:
    """Return the content of ``metrics.csv``."""
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows({name: f"{value:.8g}" for name, value in row.items()} for row in rows)
    return text.getvalue()
