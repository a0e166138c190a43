"""Whether the effect of one factor depends on another: contrasts of contrasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ablate.analysis.contrasts import Contrast, Pairs, incomplete, level_pairs
from ablate.analysis.convergence import Floats
from ablate.analysis.evidence import Paired, Verdict, withhold
from ablate.analysis.measure import Metric, Scale
from ablate.analysis.pairing import Differences, Pairing, differences, pair
from ablate.analysis.table import Table
from ablate.analysis.times import Times
from ablate.analysis.wording import apart, conclusion, margin, setting, short
from ablate.analysis.words import counted, listed

WEIGHTS = (1, -1, -1, 1)
"""(level at the other level) − (baseline at the other level) − [(level at the other baseline) − (both baselines)]."""


@dataclass(frozen=True)
class Interaction:
    """The effect of ``level`` against ``baseline`` at ``other_level``, less the same effect at ``other_baseline``."""

    factor: str
    level: Any
    baseline: Any
    other: str
    other_level: Any
    other_baseline: Any
    test: Paired
    """For ratios: of two ratios. Its verdict says "better" or "faster" where the effect at ``other_level`` is."""
    at_level: Paired
    """The effect at ``other_level``, and at ``other_baseline``: to read the direction by, no members of the family."""
    at_baseline: Paired
    quads: int
    """Sets of four runs that are used."""
    quads_planned: int
    notes: tuple[str, ...] = ()
    """What is left out, a sentence each."""
    censored: tuple[int, int] | None = None
    """Of the runs compared: how many did not reach the target, and how many there are."""

    @property
    def metric(self) -> Metric:
        """What is compared."""
        return self.test.metric

    @property
    def name(self) -> str:
        """The pair of factors: ``norm×act``."""
        return f"{self.factor}×{self.other}"

    def reading(self) -> str:
        """Return what it means in a line, ``bn helps sigmoid more than relu``."""
        one = short(self.factor, self.level)
        here, there = short(self.other, self.other_level), short(self.other, self.other_baseline)
        effect = f"the effect of {setting(self.factor, self.level)} against {setting(self.factor, self.baseline)}"
        if self.test.verdict is Verdict.none:
            if self.metric.margin is None:
                return f"{effect} is the same with {here} as with {there}"
            return f"{effect} differs by less than {margin(self.metric)} between {here} and {there}"
        if not self.test.verdict.effect:
            return f"whether {effect} differs between {here} and {there} is open"
        sign = self.metric.sign
        more, less = self.at_level, self.at_baseline
        if sign * self.test.mean < 0:
            more, less, here, there = less, more, there, here
        helps, harms = ("speeds up", "slows down") if self.metric.pace else ("helps", "harms")
        if _clear(more, sign) and _clear(less, -sign):
            return f"{one} {helps} {here} but {harms} {there}"
        larger = "by a larger share" if self.metric.scale is Scale.ratio else "more"
        if _clear(more, sign) and _clear(less, sign):
            return f"{one} {helps} {here} {larger} than {there}"
        if _clear(more, -sign) and _clear(less, -sign):
            return f"{one} {harms} {there} {larger} than {here}"
        if _clear(more, sign):
            return f"{one} {helps} {here}; that it {helps} {there} is not shown"
        if _clear(less, -sign):
            return f"{one} {harms} {there}; that it {harms} {here} is not shown"
        return f"{one} does better with {here} than with {there}"

    def sentence(self) -> str:
        """Return the interaction as a line."""
        note = "".join(f" {one}" for one in self.notes)
        if self.censored and self.censored[0]:
            note += (
                f" {self.censored[0]} of {counted(self.censored[1], 'run')} did not reach the target: "
                "their times end at the budget."
            )
        said = conclusion(self.test, "an interaction", "interaction")
        return f"{self.name}: {self.reading()}: {apart(self.test, self.at_level, self.at_baseline)}: {said}.{note}"


def _clear(one: Paired, sign: int) -> bool:
    """Return whether the interval lies on one side of none."""
    return one.interval is not None and min(sign * one.interval[0], sign * one.interval[1]) > 0


@dataclass(frozen=True, eq=False)
class Crossed:
    """An interaction before its family is tested."""

    factors: tuple[str, str]
    levels: tuple[tuple[int, int], tuple[int, int]]
    pairing: Pairing
    found: Differences

    def simple(self) -> tuple[Floats, Floats]:
        """Return the per-seed effects at the other factor's level and at its baseline."""
        level, baseline, at_baseline, both = self.found.sides
        return level - baseline, at_baseline - both


def cross(table: Table, one: str, other: str, pairs: Pairs, values: Floats) -> list[Crossed]:
    """Return the contrasts of contrasts of two factors, one per pair of levels of each that the design has crossed."""
    found = []
    for a in level_pairs(table, one, pairs):
        for b in level_pairs(table, other, pairs):
            groups = [table.at(one, x) & table.at(other, y) for y in b for x in a]
            if not all(np.any(group) for group in groups):
                continue
            pairing = pair(table, groups, [one, other])
            if pairing is None:
                continue
            four = differences(pairing, values, WEIGHTS)
            if four.complete:
                found.append(Crossed((one, other), (a, b), pairing, four))
    return found


def dependent(one: Contrast, found: Sequence[Interaction]) -> Contrast:
    """Return a contrast that says which called interactions of its metric its levels are in; of effects that cancel in
    the average "no effect" is withheld.
    """
    mine = (one.factor, one.level, one.baseline)
    on = {
        (each.other if (each.factor, each.level, each.baseline) == mine else each.factor): each
        for each in found
        if each.metric == one.metric
        and each.test.verdict.effect
        and mine in ((each.factor, each.level, each.baseline), (each.other, each.other_level, each.other_baseline))
    }
    if not on:
        return one
    names = listed([each.name for each in on.values()])
    if one.test.equivalent or one.test.verdict is Verdict.none:
        opposite = any(each.at_level.mean * each.at_baseline.mean < 0 for each in on.values())
        why = "opposite effects cancel" if opposite else "effects that differ average out"
        return replace(one, test=withhold(one.test, f"{why}: see {names}"))
    return replace(one, notes=(*one.notes, f"It depends on {listed(list(on))}: see {names}."))


def finish(
    table: Table, one: Crossed, test: Paired, simple: tuple[Paired, Paired], times: Times | None = None
) -> Interaction:
    """Return the interaction with its test."""
    first, second = one.factors
    (a, b), (c, d) = one.levels
    names, others = table.levels[first], table.levels[second]
    cut = None
    if times is not None:
        used = one.pairing.used(one.found.used, times.time.shape)
        cut = (int((times.censored & used).sum()), int(used.sum()))
        undone = [
            bool((times.censored & one.pairing.used(one.found.used, used.shape, group)).any())
            for group, weight in enumerate(WEIGHTS)
            if weight * test.mean < 0  # longer times of these would bring the difference nearer to none
        ]
        if test.verdict.effect and any(undone):
            test = withhold(test, "times that end at the budget may explain it")
    return Interaction(
        first,
        names[a],
        names[b],
        second,
        others[c],
        others[d],
        test,
        *simple,
        one.found.complete,
        one.found.planned,
        tuple(incomplete(one.pairing, one.found, "set of four runs")),
        cut,
    )
