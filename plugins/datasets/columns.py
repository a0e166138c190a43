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
from .frames import Frames, as_numbers, as_words

MOST = 10_000
"""Of more different values than these nobody asks which."""


@dataclass
class Column:
    """What a column holds."""

    name: str
    rows: int = 0
    missing: int = 0
    is_number: bool = True
    is_bool: bool = True
    is_whole: bool = True
    has_infinity: bool = False
    values: set[str] = field(default_factory=set)
    """Different values, as words, up to a few more than ``MOST``."""
    numbers: set[float] = field(default_factory=set)

    def add(self, part: pd.Series[Any]) -> None:
        """Look at more rows."""
        self.rows += len(part)
        self.missing += int(part.isna().sum())
        self.is_bool &= bool(pd.api.types.is_bool_dtype(part))
        numbers = as_numbers(part)
        self.is_number &= numbers is not None
        if numbers is not None:
            there = numbers[~np.isnan(numbers)]
            self.has_infinity |= bool(np.isinf(there).any())
            self.is_whole &= bool((there == np.floor(there)).all())
            if len(self.numbers) <= MOST:
                self.numbers.update(np.unique(there).tolist()[: MOST + 1])
        if len(self.values) <= MOST:
            self.values.update(list(dict.fromkeys(as_words(part.dropna())))[: MOST + 1])

    @property
    def categories(self) -> list[str]:
        """Its different values in order: of size where they are numbers, else of the alphabet."""
        if self.is_number and len(self.numbers) <= MOST:
            return [f"{number:.15g}" for number in sorted(self.numbers)]
        return sorted(self.values)

    def words(self, part: pd.Series[Any]) -> NDArray[np.object_]:
        """Return rows of the column as its ``categories`` write them, None where there is no value."""
        if not self.is_number:
            return as_words(part)
        numbers = as_numbers(part)
        assert numbers is not None
        return np.array([None if np.isnan(n) else f"{n:.15g}" for n in numbers], dtype=object)

    def codes(self, part: pd.Series[Any], categories: Sequence[str]) -> NDArray[np.float64]:
        """Return rows as numbers of ``categories``, NaN where there is no value."""
        number = {word: float(code) for code, word in enumerate(categories)}
        return np.array([np.nan if word is None else number[word] for word in self.words(part)])


def columns_of(frames: Frames, named: str) -> dict[str, Column]:
    """Return the columns of a table by name; raise ``ConfigError`` for a table without rows."""
    found: dict[str, Column] = {}
    for frame in frames():
        for name in map(str, frame.columns):
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
