"""A table as a collection: its columns are told apart, its task is inferred, its rows are kept as numbers.

Shapes: N rows · C columns of inputs · K targets.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ablate.errors import ConfigError
from ablate.techniques import Task

from .collection import Collection, array, kept, listed, meta, new_array, optional
from .columns import Column, columns_of, known, mixed
from .encoding import Encoding
from .frames import Frames, frames_of, numbers_among
from .splitting import NAMES

OWN_SPLIT = "(split)"
"""The column that says which split of a data set a row is of, where that has several."""

FEW = 20
"""Whole numbers with at most so many different values, and five rows for each, are classes."""


def table(path: Path, content: str, reading: Mapping[str, Any]) -> Collection:
    """Return the table in a csv or parquet file."""
    return open_table(path.name, content, json.dumps(dict(reading), sort_keys=True), _FromFile(path))


@dataclass(frozen=True)
class _FromFile:
    path: Path

    def __call__(self) -> Frames:
        return frames_of(self.path)


@functools.lru_cache(maxsize=8)
def open_table(named: str, content: str, reading: str, frames: Any) -> Collection:
    """Return a table that ``frames()()`` gives, called ``named`` in messages; ``reading`` are parameters as JSON."""
    settings = json.loads(reading)
    if not settings["target"]:
        columns = list(columns_of(frames(), named))
        raise ConfigError(
            f"data.target is not set: which column of {named} is to be predicted? Write data.target=COLUMN, one of "
            f"{listed(columns, 30)}."
        )
    folder = kept(f"table {named}", content, settings, lambda where: _write(where, frames(), named, settings))
    found = meta(folder)
    encoding = Encoding(tuple(found["numbers"]), tuple(found["gaps"]), tuple(map(tuple, found["categories"])))
    return Collection(
        task=Task(found["task"]),
        x=array(folder, "x"),
        y=array(folder, "y").clone(),
        given=optional(folder, "split"),
        sentences=tuple(found["sentences"]),
        classes=tuple(found["classes"]),
        features=encoding.names(found["columns"], found["words"]),
        fit=encoding.fit,
    )


def _write(folder: Path, frames: Frames, named: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Fill ``folder`` with the rows x (N, C), the targets y and the given splits; return what there is to know."""
    columns = columns_of(frames, named)
    targets = settings["target"] if isinstance(settings["target"], list) else [settings["target"]]
    split, drop = settings.get("split"), settings["drop"]
    known(columns, targets, "data.target", named)
    known(columns, [split] if split and split != OWN_SPLIT else [], "data.split", named)
    known(columns, drop, "data.drop", named)
    known(columns, settings["categorical"], "data.categorical", named)
    _refuse_two_uses({"target": targets, "split": [split], "drop": drop, "categorical": settings["categorical"]}, named)
    task, classes = _task([columns[name] for name in targets], settings["target_type"], named)
    inputs = [c for name, c in columns.items() if name not in (*targets, *drop, split)]
    numeric = [c.is_number and c.name not in settings["categorical"] for c in inputs]
    _refuse(inputs, numeric, settings["max_categories"], named)
    words = [c.categories if not number else [] for c, number in zip(inputs, numeric, strict=True)]
    rows = columns[targets[0]].rows
    there = rows - max(columns[name].missing for name in targets) if len(targets) == 1 else rows
    x = new_array(folder, "x", (max(1, there), len(inputs)), np.float64)
    y: Any = np.empty(there, np.int64) if task is Task.classification else np.empty((there, len(targets)))
    given = np.empty(there, np.int8)
    first = 0
    for frame in frames():
        frame = frame.loc[frame[targets].notna().all(axis=1).to_numpy()]
        rest = slice(first, first + len(frame))
        for place, (column, own) in enumerate(zip(inputs, words, strict=True)):
            part = frame[column.name]
            x[rest, place] = column.codes(part, own) if own else numbers_among(part)
        if task is Task.classification:
            y[rest] = columns[targets[0]].codes(frame[str(targets[0])], classes)
        else:
            y[rest] = frame[targets].apply(numbers_among).to_numpy()
        if split:
            given[rest] = [_split_number(word, split, named) for word in columns[split].words(frame[split])]
        first += len(frame)
    x.flush()
    np.save(folder / "y.npy", y[:first])
    if first < there:  # of several targets not all are missing in the same rows
        np.save(folder / "x.npy", np.array(x[:first]))
    if split:
        np.save(folder / "split.npy", given[:first])
    return {
        "task": task.value,
        "classes": classes,
        "columns": [c.name for c in inputs],
        "numbers": [i for i, number in enumerate(numeric) if number],
        "gaps": [i for i, c in enumerate(inputs) if c.missing],
        "categories": [[i, len(own)] for i, own in enumerate(words) if own],
        "words": [own for own in words if own],
        "sentences": _sentences(named, first, rows, task, classes, targets, inputs, words, drop, split),
    }


def _refuse_two_uses(uses: Mapping[str, Sequence[str | None]], named: str) -> None:
    """Raise ``ConfigError`` for a column that several settings name, or one of them twice: one would be ignored."""
    said: dict[str, str] = {}
    for setting, names in uses.items():
        for name in filter(None, names):
            if name in said:
                raise ConfigError(f"data.{setting}={name}: data.{said[name]} names this column of {named} already.")
            said[name] = setting


def _task(targets: Sequence[Column], asked: str, named: str) -> tuple[Task, list[str]]:
    """Return the task and its classes; raise ``ConfigError`` for targets that nothing can be learnt of."""
    first = targets[0]
    numbers = all(c.is_number for c in targets)
    few = len(first.categories) <= min(FEW, max(2, first.rows // 5))
    looks = len(targets) == 1 and (not numbers or first.is_bool or (first.is_whole and few))
    if asked == "classes" and len(targets) > 1:
        raise ConfigError(f"data.target_type=classes takes one target, not {len(targets)}.")
    for column in targets:
        if not column.is_plain:
            raise ConfigError(f"data.target={column.name}: this column of {named} holds neither numbers nor words.")
        if column.missing == column.rows:
            raise ConfigError(f"data.target={column.name}: this column of {named} is empty.")
        if column.has_infinity:
            raise ConfigError(f"data.target={column.name}: this column of {named} has infinite values.")
        if not column.is_number and (asked == "numbers" or len(targets) > 1):
            raise ConfigError(
                f"data.target={column.name}: this column of {named} holds words, '{column.stranger}', no numbers."
            )
        if len(column.categories) == 1:
            raise ConfigError(
                f"data.target={column.name}: this column of {named} has one value only, {column.categories[0]}: there "
                "is nothing to learn."
            )
    if asked == "numbers" or (asked == "auto" and not looks):
        return Task.regression, []
    if len(first.categories) > max(2, first.rows // 2):
        raise ConfigError(
            f"data.target={first.name}: this column of {named} has {len(first.categories)} different values in "
            f"{first.rows} rows, too many for classes. "
            + (mixed([first]) or "Take data.target_type=numbers, or another column.")
        )
    return Task.classification, first.categories


def _refuse(inputs: Sequence[Column], numeric: Sequence[bool], most: int, named: str) -> None:
    """Raise ``ConfigError`` for columns that cannot be inputs, all of a kind at once."""
    if not inputs:
        raise ConfigError(f"{named} has no column left for inputs. Drop fewer.")
    pairs = list(zip(inputs, numeric, strict=True))
    empty = [c.name for c in inputs if c.missing == c.rows]
    if empty:
        raise ConfigError(f"{named}: no values in {listed(empty)}. Leave out: data.drop=[{','.join(empty)}].")
    nested = [c.name for c in inputs if not c.is_plain]
    if nested:
        raise ConfigError(
            f"{named}: neither numbers nor words in {listed(nested)}. Leave out: data.drop=[{','.join(nested)}]."
        )
    infinite = [c.name for c, number in pairs if number and c.has_infinity]
    if infinite:
        raise ConfigError(f"{named}: infinite values in {listed(infinite)}. Mend, or data.drop=[{','.join(infinite)}].")
    many = [c for c, number in pairs if not number and len(c.categories) > most]
    if many:
        counts = listed([f"'{c.name}' ({min(len(c.categories), 10_000):,} different words)" for c in many])
        raise ConfigError(
            f"{named}: more than data.max_categories={most} categories in {counts}. Leave out what says nothing by "
            f"data.drop=[{','.join(c.name for c in many)}], or raise data.max_categories. {mixed(many)}".rstrip()
        )


def _split_number(word: str | None, split: str, named: str) -> int:
    if word is None or word.lower() not in NAMES:
        raise ConfigError(
            f"data.split={split}: this column of {named} says {'nothing' if word is None else repr(word)} in a row. "
            f"It has to say one of {', '.join(NAMES)}."
        )
    return NAMES[word.lower()]


def _sentences(
    named: str,
    count: int,
    rows: int,
    task: Task,
    classes: Sequence[str],
    targets: Sequence[str],
    inputs: Sequence[Column],
    words: Sequence[Sequence[str]],
    drop: Sequence[str],
    split: str | None,
) -> list[str]:
    what = f"{len(classes)} classes ({listed(list(classes), 6)})" if classes else "numbers"
    number = sum(not own for own in words)
    kinds = [f"{number} of numbers"] * bool(number) + [f"{len(words) - number} of categories"] * (number < len(words))
    found = [
        f"{named}: {count:,} rows, {task.value} of {', '.join(targets)}, {what}.",
        f"Inputs: {len(inputs)} columns, {' and '.join(kinds)}.",
    ]
    gaps = [f"{c.name} ({c.missing:,})" for c in inputs if c.missing]
    if gaps:
        found.append(f"Missing: {listed(gaps)}; numbers take the training mean, and a feature says where.")
    if count < rows:
        found.append(f"{rows - count:,} rows without a target are left out.")
    found += filter(None, [mixed([c for c, own in zip(inputs, words, strict=True) if own])])
    if counters := [c.name for c, own in zip(inputs, words, strict=True) if c.is_counter and not own]:
        found.append(f"Only the row's number, it seems: {listed(counters)}; leave out by data.drop=[…].")
    if drop:
        found.append(f"Left out: {listed(list(drop))}.")
    by = "data set" if split == OWN_SPLIT else f"column {split}" if split else "seed"
    found.append(f"Split by the {by}.")
    return found
