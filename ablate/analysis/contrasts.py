"""The effect of one level of a factor against another."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ablate.analysis.convergence import Floats
from ablate.analysis.evidence import Paired, Verdict, withhold
from ablate.analysis.measure import Metric
from ablate.analysis.pairing import Differences, Pairing, differences, pair
from ablate.analysis.table import Ints, Table
from ablate.analysis.times import Times, logrank
from ablate.analysis.wording import conclusion, difference, setting
from ablate.analysis.words import counted, listed

Pairs = Literal["baseline", "all"]
NAMED = 3
"""How many of the combinations of other factors that are given up are named."""


@dataclass(frozen=True)
class Side:
    """The runs of one side of a contrast."""

    level: Any
    planned: int
    """Runs that the comparison wants: arms times seeds."""
    used: int
    """Runs in pairs that are used."""
    absent: int
    """Runs that are missing or failed."""
    diverged: int
    """Of the runs that are there."""
    lost: int
    """Of the diverged: have no value, so that nothing is compared with them."""
    censored: int | None
    """Of the used: did not reach the target within the common budget; None where nothing is censored."""
    first: int
    """Of the used: had reached it when they were first measured."""
    mean: float
    """Of the used: for times the restricted mean, mean(min(T, budget)); else the mean; in the metric's own unit."""

    @property
    def censored_share(self) -> float | None:
        """The share of the used runs that did not reach the target."""
        return None if self.censored is None or not self.used else self.censored / self.used


@dataclass(frozen=True)
class Contrast:
    """One level of a factor against another, averaged over the other factors within each seed."""

    factor: str
    level: Any
    baseline: Any
    within: tuple[str, Any] | None
    """The factor and level that this was looked at within; None for all."""
    test: Paired
    side: Side
    baseline_side: Side
    pairs: int
    """Pairs that are used: of seeds that are complete, in the cells that are averaged over."""
    pairs_planned: int
    p_logrank: float | None
    """Stratified log-rank, where runs had unequal budgets."""
    notes: tuple[str, ...]
    """What is to be known beside the numbers, a sentence each."""
    over: tuple[str, ...] = ()
    """The factors that it is averaged over, all of their levels."""

    @property
    def metric(self) -> Metric:
        """What is compared."""
        return self.test.metric

    @property
    def name(self) -> str:
        """What is compared with what: ``norm=bn against norm=none``."""
        inside = f" within {setting(*self.within)}" if self.within else ""
        return f"{setting(self.factor, self.level)} against {setting(self.factor, self.baseline)}{inside}"

    def sentence(self) -> str:
        """Return the contrast as a line: the estimate with its interval, the verdict and what it stands on."""
        many = len(self.over) > NAMED
        over = f", averaged over {f'{len(self.over)} factors' if many else listed(self.over)}" if self.over else ""
        alive = ", among the runs that did not diverge" if self.side.lost or self.baseline_side.lost else ""
        return " ".join([f"{self.name}: {difference(self.test)}{over}{alive}: {conclusion(self.test)}.", *self.notes])


@dataclass(frozen=True, eq=False)
class Contrasted:
    """A contrast before its family is tested."""

    factor: str
    levels: tuple[int, int]
    within: tuple[str, Any] | None
    table: Table
    pairing: Pairing
    found: Differences


def level_pairs(table: Table, factor: str, pairs: Pairs) -> list[tuple[int, int]]:
    """Return (level, reference): each with the first level, or all pairs."""
    levels = range(len(table.levels[factor]))
    if pairs == "all":
        return [(b, a) for a, b in itertools.combinations(levels, 2)]
    return [(level, 0) for level in levels[1:]]


def present(table: Table, factor: str) -> list[int]:
    """Return the levels of a factor that some arm of the table has."""
    return [level for level in range(len(table.levels[factor])) if table.at(factor, level).any()]


def contrast(
    table: Table, factor: str, levels: tuple[int, int], values: Floats, within: tuple[str, Any] | None = None
) -> Contrasted | None:
    """Return the per-seed differences of two levels; None without arms to compare or without a complete pair."""
    pairing = pair(table, [table.at(factor, level) for level in levels], [factor])
    if pairing is None:
        return None
    found = differences(pairing, values, (1, -1))
    return Contrasted(factor, levels, within, table, pairing, found) if found.complete else None


def finish(one: Contrasted, test: Paired, own: Floats, times: Times | None) -> Contrast:
    """Return the contrast with its test and what is to be said about its runs; ``own`` are the values (arms, seeds)."""
    names = [one.table.levels[one.factor][level] for level in one.levels]
    sides = [_side(one, at, level, own, times) for at, level in enumerate(names)]
    unequal = times is not None and times.unequal
    test = _survivors(one, test, sides)
    return Contrast(
        one.factor,
        names[0],
        names[1],
        one.within,
        test,
        sides[0],
        sides[1],
        one.found.complete,
        one.found.planned,
        logrank(times, one.pairing, one.found.used) if unequal and times is not None else None,
        tuple(_notes(one, test, sides, times)),
        one.pairing.over if one.found.kept.all() else (),
    )


def _survivors(one: Contrasted, test: Paired, sides: list[Side]) -> Paired:
    """Return the test without its verdict where that would be of the runs that did not diverge, and mislead: where the
    better level lost more of them, or where two that lose unlike many would be called the same.
    """
    lost, at_baseline = (side.lost for side in sides)
    better = lost if test.mean * test.metric.sign > 0 else at_baseline
    if (test.verdict.effect and better > min(lost, at_baseline)) or (
        test.verdict is Verdict.none and lost != at_baseline
    ):
        said = [f"{side.lost} of {side.planned} with {setting(one.factor, side.level)}" for side in sides]
        return withhold(test, f"runs that diverged have no value, {listed(said)}")
    return test


def _side(one: Contrasted, at: int, level: Any, own: Floats, times: Times | None) -> Side:
    arms: Ints = one.pairing.groups()[at]
    used = one.pairing.used(one.found.used, own.shape, at)
    return Side(
        level,
        planned=len(arms) * len(one.table.seeds),
        used=int(used.sum()),
        absent=int((~one.table.usable[arms]).sum()),
        diverged=int(one.table.diverged[arms].sum()),
        lost=int((one.table.diverged & ~np.isfinite(own))[arms].sum()),
        censored=int((times.censored & used).sum()) if times else None,
        first=int((times.first & used).sum()) if times else 0,
        mean=float(own[used].mean()),
    )


def _notes(one: Contrasted, test: Paired, sides: list[Side], times: Times | None) -> list[str]:
    names = [setting(one.factor, side.level) for side in sides]
    notes = []
    if test.seeds > 1 and test.constant and test.mean:
        notes.append("The difference is the same in every seed: there is no variance, and the interval has no width.")
    notes += incomplete(one.pairing, one.found, "pair")
    if lost := [f"{side.absent} with {name}" for side, name in zip(sides, names, strict=True) if side.absent]:
        notes.append(f"Runs missing or failed: {listed(lost)}.")
    if lost := [f"{side.diverged} with {name}" for side, name in zip(sides, names, strict=True) if side.diverged]:
        notes.append(f"Diverged: {listed(lost)}.")
    if one.pairing.fraction:
        clear = "" if one.pairing.clear else "; this holds if the interactions of the other factors are none"
        notes.append(f"A fraction of the grid: the levels are compared across balanced arms{clear}.")
    if any(side.first for side in sides):
        early = [
            f"{side.first} of {counted(side.used, 'run')} with {name}" for side, name in zip(sides, names, strict=True)
        ]
        notes.append(f"Reached at the first point: {listed(early)}; more trainer.validations would tell.")
    if times is not None and any(side.censored for side in sides):
        notes += _censoring(sides, names, times)
    return notes


def incomplete(pairing: Pairing, found: Differences, what: str) -> list[str]:
    """Return what to say where not all pairs, or sets of four runs, are used: which cells are given up, which seeds."""
    notes = []
    if not found.kept.all():
        kept, lost = np.flatnonzero(found.kept), np.flatnonzero(~found.kept)
        only = pairing.names[kept[0]] if len(kept) == 1 else f"{len(kept)} of {len(found.kept)} combinations"
        named = [f"{pairing.names[cell]} ({found.counts[cell]})" for cell in lost[:NAMED]]
        named += [f"{len(lost) - NAMED} more"] if len(lost) > NAMED else []
        notes.append(f"Over {only} only: too few seeds have a complete {what} with {listed(named)}.")
    seeds = found.used.shape[1]
    if len(found.values) < seeds:
        notes.append(f"{len(found.values)} of {counted(seeds, 'seed')} are complete; the others are left out.")
    return notes


def _censoring(sides: list[Side], names: list[str], times: Times) -> list[str]:
    missed = [
        f"{side.censored} of {counted(side.used, 'run')} with {name}" for side, name in zip(sides, names, strict=True)
    ]
    notes = [
        f"Not reached within {times.budget:g} steps: {listed(missed)}; "
        f"restricted means {sides[0].mean:.4g} and {sides[1].mean:.4g} steps (the ratio averages logarithms)."
    ]
    if not sides[0].censored:
        notes.append("Without the cut-off the estimate would be at most that.")
    if not sides[1].censored:
        notes.append("Without the cut-off the estimate would be at least that.")
    return notes
