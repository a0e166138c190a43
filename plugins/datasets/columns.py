"""The columns of a table: which hold numbers, which words, how many values are missing; found in one pass."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablate.errors import ConfigError, did_you_mean

from .collection import listed
from .frames import Frames, as_words, numbers_among

MOST = 10_000
"""Of more different values than these nobody asks which."""


_EXACT = 2.0**53
"""Whole numbers above it are not all floats: as names they stay words."""


@dataclass
class Column:
    """What a column holds."""

    name: str
    rows: int = 0
    missing: int = 0
    count: int = 0
    """How many values are numbers, words that say one included."""
    stranger: str = ""
    """The first value that is no number."""
    is_bool: bool = True
    is_whole: bool = True
    is_exact: bool = True
    is_plain: bool = True
    """Whether there is a number or a word in each row, rather than a list, a dictionary or bytes."""
    is_counter: bool = True
    """Whether it counts the rows up."""
    has_infinity: bool = False
    values: set[str] = field(default_factory=set)
    """Different values, as words, up to a few more than ``MOST``."""
    numbers: set[float] = field(default_factory=set)

    def add(self, part: pd.Series[Any]) -> None:
        """Look at more rows."""
        present = part.dropna()
        numbers = numbers_among(part)
        there = numbers[~np.isnan(numbers)]
        self.is_counter &= np.array_equal(numbers, numbers[:1] + np.arange(len(part)))
        self.rows += len(part)
        self.missing += len(part) - len(present)
        self.count += len(there)
        self.is_bool &= bool(pd.api.types.is_bool_dtype(part))
        self.is_plain &= not any(isinstance(value, list | dict | bytes | np.ndarray) for value in present[:1])
        if not self.stranger and len(there) < len(present):
            self.stranger = str(part[part.notna().to_numpy() & np.isnan(numbers)].iloc[0])
        self.has_infinity |= bool(np.isinf(there).any())
        self.is_whole &= bool((there == np.floor(there)).all())
        self.is_exact &= bool((np.abs(there) < _EXACT).all())
        if len(self.numbers) <= MOST:
            self.numbers.update(np.unique(there).tolist()[: MOST + 1])
        if len(self.values) <= MOST:
            self.values.update(list(dict.fromkeys(as_words(present)))[: MOST + 1])

    @property
    def is_number(self) -> bool:
        """Whether all its values are numbers."""
        return self.count == self.rows - self.missing

    @property
    def is_mixed(self) -> bool:
        """Whether words stand among its numbers."""
        return not self.is_number and self.count > (self.rows - self.missing) // 2

    @property
    def _is_named_by_number(self) -> bool:
        return self.is_number and self.is_exact and len(self.numbers) <= MOST

    @property
    def categories(self) -> list[str]:
        """Its different values in order: of size where they are numbers, else of the alphabet."""
        return [_named(number) for number in sorted(self.numbers)] if self._is_named_by_number else sorted(self.values)

    def words(self, part: pd.Series[Any]) -> NDArray[np.object_]:
        """Return rows of the column as its ``categories`` write them, None where there is no value."""
        if not self._is_named_by_number:
            return as_words(part)
        return np.array([None if np.isnan(n) else _named(n) for n in numbers_among(part)], dtype=object)

    def codes(self, part: pd.Series[Any], categories: Sequence[str]) -> NDArray[np.float64]:
        """Return rows as numbers of ``categories``, NaN where there is no value."""
        number = {word: float(code) for code, word in enumerate(categories)}
        return np.array([np.nan if word is None else number[word] for word in self.words(part)])


def _named(number: float) -> str:
    """Return a number so that no other one is called the same."""
    return str(number).removesuffix(".0")


def mixed(columns: Sequence[Column]) -> str:
    """Return what to do with columns in which words stand among numbers, as a sentence; nothing for others."""
    found = [f"{column.name} ('{column.stranger}')" for column in columns if column.is_mixed]
    if not found:
        return ""
    return f"Words stand among the numbers of {listed(found)}: leave such a cell empty if its value is missing."


def columns_of(frames: Frames, named: str) -> dict[str, Column]:
    """Return the columns of a table by name; raise ``ConfigError`` for a table without rows."""
    found: dict[str, Column] = {}
    for frame in frames():
        for name in frame.columns:
            found.setdefault(name, Column(name)).add(frame[name])
    if not found or not next(iter(found.values())).rows:
        raise ConfigError(f"{named} has no rows.")
    return found


def known(columns: Collection[str], names: Sequence[str], setting: str, named: str) -> None:
    """Raise ``ConfigError`` for the first of ``names`` that is no column, with those that there are."""
    for name in names:
        if name not in columns:
            raise ConfigError(
                f"{setting}={name}: {named} has no such column.{did_you_mean(name, columns)} "
                f"It has {listed(list(columns), 30)}."
            )
