"""What was replaced where, as data and in words."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

ORDER = ("act", "norm", "pool", "reg", "init")


@dataclass(frozen=True)
class Replaced:
    """One module, or for init one layer's first weights."""

    kind: str
    path: str
    """Its name in the network."""
    was: str
    now: str


@dataclass
class Replacements:
    """All that a transplantation changed, and what it could not."""

    rows: list[Replaced] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    """What does the work of a kind that was to be replaced, but is no module: in words."""

    def __str__(self) -> str:
        """A line with the count, and a table: kind, modules, from, to; such as differ in numbers alone share a row."""
        if not self.rows:
            return "nothing replaced"
        lines = [("kind", "module", "from", "to", "count"), *_lines(self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = ["  ".join(cell.ljust(n) for cell, n in zip(line, widths, strict=True)).rstrip() for line in lines]
        return "\n".join(
            [
                f"{len(self.rows)} replaced",
                *(f"  {text}" for text in table),
                *(f"  not reached: {text}" for text in self.unreached),
            ]
        )


def _lines(rows: Sequence[Replaced]) -> list[tuple[str, ...]]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in sorted(rows, key=lambda row: ORDER.index(row.kind)):
        template = re.sub(r"\d+", "#", row.path)
        groups.setdefault((row.kind, row.was, row.now, template), []).append(row.path)
    return [
        (kind, folded, was, now, str(count))
        for (kind, was, now, _), paths in groups.items()
        for folded, count in fold(paths)
    ]


def fold(paths: Sequence[str]) -> list[tuple[str, int]]:
    """Return names that differ in their numbers alone as few: ``layer[1-4].[0-1].act1`` for all eight.

    Exactly these are meant: a name stands for all combinations of its numbers, and where not all are there it is
    taken apart.
    """
    words = re.split(r"\d+", paths[0])
    numbers = [tuple(map(int, re.findall(r"\d+", path))) for path in paths]
    return [
        ("".join(itertools.chain(*itertools.zip_longest(words, map(_span, block), fillvalue=""))), _size(block))
        for block in _blocks(numbers)
    ]


def _blocks(numbers: Sequence[tuple[int, ...]]) -> list[list[list[int]]]:
    """Return sets of numbers, place by place, whose combinations are ``numbers``."""
    columns = [sorted(set(column)) for column in zip(*numbers, strict=True)]
    if _size(columns) == len(numbers):
        return [columns]
    place = next(i for i, column in enumerate(columns) if len(column) > 1)
    alike: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for value in columns[place]:
        rest = tuple(sorted(row[:place] + row[place + 1 :] for row in numbers if row[place] == value))
        alike.setdefault(rest, []).append(value)
    return [[*block[:place], values, *block[place:]] for rest, values in alike.items() for block in _blocks(list(rest))]


def _size(columns: Sequence[Sequence[int]]) -> int:
    size = 1
    for column in columns:
        size *= len(column)
    return size


def _span(values: Sequence[int]) -> str:
    if len(values) == 1:
        return str(values[0])
    whole = list(values) == list(range(values[0], values[-1] + 1)) and len(values) > 1
    return f"[{values[0]}-{values[-1]}]" if whole else f"[{','.join(map(str, values))}]"
