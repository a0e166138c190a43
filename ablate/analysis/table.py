"""A tidy frame of runs as a table of arms by seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ablate.analysis.convergence import Floats
from ablate.lazy import pandas as pd

Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]

RESULTS = frozenset({"finished", "diverged"})
"""The words in a column ``status`` that say that a run came to its own end; of any other nothing is used."""
ABSENT = -1
"""The code of a level that has no meaning in an arm."""


@dataclass(frozen=True, eq=False)
class Table:
    """Runs as arms × seeds. An arm is one combination of the factors' levels."""

    frame: pd.DataFrame
    factors: tuple[str, ...]
    levels: dict[str, tuple[Any, ...]]
    """Of each factor, as they stand in the frame; the baseline first."""
    codes: Ints
    """(arms, factors): the index of the level, or −1 where the factor has no meaning in the arm."""
    seeds: tuple[Any, ...]
    rows: Ints
    """(arms, seeds): the run's row, or −1 where there is none."""
    usable: Bools
    """(arms, seeds): whether there is a run and it did not fail."""

    def column(self, name: str) -> Floats:
        """Return a column of the usable runs, (arms, seeds); NaN where there is no value."""
        values = pd.to_numeric(self.frame[name]).to_numpy(dtype=float, na_value=np.nan)
        return np.where(self.usable, values[self.rows], np.nan)

    def flags(self, name: str) -> Bools:
        """Return which usable runs have a column true, (arms, seeds)."""
        values = self.frame[name].map(lambda value: not is_absent(value) and bool(value)).to_numpy(dtype=bool)
        found: Bools = self.usable & values[self.rows]
        return found

    @cached_property
    def diverged(self) -> Bools:
        """Which runs diverged, (arms, seeds): by a column ``diverged``, or a ``status`` of that word."""
        found = np.zeros_like(self.usable)
        if "diverged" in self.frame:
            found |= self.flags("diverged")
        if "status" in self.frame:
            found |= self.usable & (self.frame["status"].astype(str) == "diverged").to_numpy()[self.rows]
        return found

    def at(self, factor: str, level: int) -> Bools:
        """Return which arms have a level of a factor."""
        found: Bools = self.codes[:, self.factors.index(factor)] == level
        return found

    def within(self, factor: str, level: int) -> Table:
        """Return the arms that have a level of a factor, without that factor."""
        arms = self.at(factor, level)
        keep = [index for index, name in enumerate(self.factors) if name != factor]
        return Table(
            self.frame,
            tuple(self.factors[index] for index in keep),
            {self.factors[index]: self.levels[self.factors[index]] for index in keep},
            self.codes[arms][:, keep],
            self.seeds,
            self.rows[arms],
            self.usable[arms],
        )


def tabulate(
    frame: pd.DataFrame, factors: Sequence[str], seed: str = "seed", baseline: Mapping[str, Any] | None = None
) -> Table:
    """Return the table of a frame with one row per run.

    A level of None or NaN means that the factor has no meaning in that arm. The baseline level of a factor is the one
    given, or the first in the frame. ``ValueError`` for columns and levels that are not there, and for two runs with
    the same levels and seed.
    """
    check(frame, [*factors, seed])
    if not factors:
        raise ValueError("Name at least one factor: a column of the frame.")
    if unknown := set(baseline or {}) - set(factors):
        raise ValueError(f"The baseline names {_listed(unknown)}, which is none of the factors {_listed(factors)}.")
    labels = {factor: [None if is_absent(value) else label(value) for value in frame[factor]] for factor in factors}
    levels: dict[str, tuple[Any, ...]] = {}
    codes = np.full((len(frame), len(factors)), ABSENT)
    for at, factor in enumerate(factors):
        known = {text: value for text, value in zip(labels[factor], frame[factor], strict=True) if text is not None}
        order = list(known)
        if baseline and factor in baseline:
            first = label(baseline[factor])
            if first not in known:
                raise ValueError(f"The baseline {factor}={first} is no level of the frame: it has {_listed(known)}.")
            order.sort(key=lambda text: text != first)
        levels[factor] = tuple(known[text] for text in order)
        index = {text: position for position, text in enumerate(order)}
        codes[:, at] = [ABSENT if text is None else index[text] for text in labels[factor]]
    if frame[seed].isna().any():
        raise ValueError(f"Every run needs a seed: the column {seed!r} has gaps.")
    seeds = list(dict.fromkeys(frame[seed]))
    arms, arm = np.unique(codes, axis=0, return_inverse=True)
    rows = np.full((len(arms), len(seeds)), -1)
    column = [seeds.index(value) for value in frame[seed]] if len(seeds) < len(frame) else range(len(frame))
    for row, (one, at) in enumerate(zip(arm.ravel(), column, strict=True)):
        if rows[one, at] >= 0:
            what = ", ".join(f"{factor}={labels[factor][row] or '–'}" for factor in factors)
            raise ValueError(f"Two runs have {what} and {seed}={seeds[at]}: name the factor that tells them apart.")
        rows[one, at] = row
    usable = rows >= 0
    if "status" in frame:
        usable &= frame["status"].astype(str).isin(RESULTS).to_numpy()[rows]
    return Table(frame, tuple(factors), levels, arms.astype(np.intp), tuple(seeds), rows.astype(np.intp), usable)


def check(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a frame without rows, or without one of the columns."""
    if not len(frame):
        raise ValueError("The frame has no runs.")
    if absent := [column for column in columns if column not in frame]:
        raise ValueError(f"The frame has no column {_listed(absent)}. It has {_listed(frame.columns)}.")


def is_absent(value: Any) -> bool:
    """Return whether a value is None or NaN: no level."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def label(value: Any) -> str:
    """Return a level as the command line has it: ``true``, ``0.1``, ``[l2,dropout]``."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(label, value))}]"
    if isinstance(value, float):
        return repr(float(value)).removesuffix(".0")
    return str(value)


def _listed(names: Any) -> str:
    return ", ".join(map(str, names))
