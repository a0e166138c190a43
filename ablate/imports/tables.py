"""Runs in comma-separated tables: a folder with one for each run, or one table of many runs."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ablate.errors import ConfigError
from ablate.imports.found import Found, in_order, inside, parameters_near

STEPS = ("step", "global_step", "trainer/global_step", "_step", "iteration", "epoch")
"""What the column of steps may be called; the first that is there is taken."""

Rows = list[dict[str, str]]


def read(root: Path, step: str | None, named: Sequence[str]) -> tuple[list[Found], list[str]]:
    """Return the runs below ``root``, or in it where it is a table, and a sentence for each that cannot be read.

    In a folder every ``metrics.csv``, or without any every table, is a run. In a table of many runs, rows belong to one
    run if they have the same text in all of the ``named`` columns and of those that hold no numbers.
    """
    if root.is_file():
        rows = _rows(root)
        return _split(rows, _step(rows, step, root), named), []
    if not root.is_dir():
        raise ConfigError(f"import csv {root}: there is no such file or folder.")
    paths = sorted(inside(root, "metrics.csv"), key=_order) or sorted(inside(root, "*.csv"), key=_order)
    runs, problems = [], []
    for path in paths:
        if (path.parent / "record.json").is_file():
            where = path.parent
            raise ConfigError(f"import csv {root}: {where} is a run of ablate's own, which needs no import: report it.")
        try:
            rows = _rows(path)
        except ConfigError as error:
            problems.append(str(error))
            continue
        place = path.parent if path.name == "metrics.csv" else path.with_suffix("")
        run = Found(place.relative_to(root).as_posix())
        run.parameters, run.typed = parameters_near(path.parent, root)
        at = _step(rows, step, path)
        run.parameters |= _constant(rows, {at})
        _fill(run, rows, at)
        runs.append(run)
    return runs, problems


def _order(path: Path) -> list[tuple[int, int, str]]:
    return in_order(path.as_posix())


def _rows(path: Path) -> Rows:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [{key: value or "" for key, value in row.items() if key} for row in csv.DictReader(file)]
    except (OSError, ValueError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read as a table: {error}.") from error
    if not rows:
        raise ConfigError(f"{path} has no rows.")
    return rows


def _step(rows: Rows, step: str | None, path: Path) -> str:
    names = [step] if step else STEPS
    found = next((name for name in names if name in rows[0]), None)
    if found is None:
        raise ConfigError(
            f"{path} has no column of steps called {' or '.join(names)}: name it, --step NAME. "
            f"Columns: {', '.join(rows[0])}."
        )
    return found


def _split(rows: Rows, step: str, named: Sequence[str]) -> list[Found]:
    """Return the runs of a table, in the order in which they begin."""
    numbers = _numeric(rows)
    keys = [name for name in rows[0] if name != step and (name in named or name not in numbers or name == "seed")]
    runs: dict[tuple[str, ...], tuple[Found, Rows]] = {}
    for row in rows:
        key = tuple(row.get(name, "") for name in keys)
        place = ",".join(f"{name}={value}" for name, value in zip(keys, key, strict=True)) or "."
        given: dict[str, Any] = {name: value for name, value in zip(keys, key, strict=True) if value}
        runs.setdefault(key, (Found(place, given), []))[1].append(row)
    for run, own in runs.values():
        _refuse_mixed(run, own, step)
        _fill(run, own, step, frozenset(keys))
    return [run for run, _ in runs.values()]


def _refuse_mixed(run: Found, rows: Rows, step: str) -> None:
    """Raise ``ConfigError`` where a step has two rows with the same columns, and other values: of several runs."""
    known: dict[tuple[str, frozenset[str]], dict[str, str]] = {}
    for row in rows:
        at = row.get(step, "")
        first = known.setdefault((at, frozenset(name for name in row if row[name])), row)
        for name in row:
            if first.get(name) != row[name]:
                raise ConfigError(
                    f"The table has {name} twice at {step}={at} of {run.place}: {first.get(name)} and {row[name]}. "
                    "Name the columns that tell runs apart, --factor NAME and --seed NAME."
                )


def _fill(run: Found, rows: Rows, step: str, left_out: Iterable[str] = ()) -> None:
    for row in rows:
        at = _number(row.get(step, ""))
        if at is not None and math.isfinite(at) and at != int(at):
            raise ConfigError(
                f"{run.place}: {step}={row[step]} is no whole number, as steps are. Name another column, --step NAME."
            )
        for name, text in row.items():
            value = _number(text)
            if at is not None and value is not None and name != step and name not in left_out:
                run.add(at, name, value)


def _constant(rows: Rows, left_out: set[str]) -> dict[str, Any]:
    """Return the columns of text that say the same in every row: parameters that were written beside the curves."""
    numbers = _numeric(rows)
    texts = {name: {row.get(name, "") for row in rows} for name in rows[0] if name not in numbers | left_out}
    return {name: next(iter(values)) for name, values in texts.items() if len(values) == 1 and values != {""}}


def _numeric(rows: Rows) -> set[str]:
    """Return the columns that hold numbers, if anything."""
    return {
        name
        for name in rows[0]
        if all(_number(text) is not None for row in rows if (text := row.get(name, "")).strip())
    }


def _number(text: str) -> float | None:
    """Return a number, ``nan`` and ``inf`` among them; None for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan if text.strip().lower() in ("none", "null") else None
