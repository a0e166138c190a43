"""``effects``: what each factor, and each pair of factors, does to each metric."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ablate.analysis import contrasts, divergence, interactions
from ablate.analysis.contrasts import Contrast, Contrasted, Pairs
from ablate.analysis.convergence import Floats
from ablate.analysis.divergence import Divergence
from ablate.analysis.findings import Effects, Refusal
from ablate.analysis.inference import estimates, paired
from ablate.analysis.interactions import Interaction
from ablate.analysis.measure import Metric, as_metric, with_margin
from ablate.analysis.pairing import pair
from ablate.analysis.table import Table, check, tabulate
from ablate.analysis.times import Times, times
from ablate.analysis.variance import Share, shares
from ablate.analysis.wording import setting
from ablate.analysis.words import counted, listed

NEVER = "no run reached the target within the budget"


def effects(
    frame: pd.DataFrame,
    factors: Sequence[str],
    metrics: Metric | str | Sequence[Metric | str],
    *,
    baseline: Mapping[str, Any] | None = None,
    pairs: Pairs = "baseline",
    by: str | None = None,
    margin: float | Mapping[str, float] | None = None,
    confidence: float = 0.95,
    budget: float | str | None = None,
    seed: str = "seed",
    inestimable: Iterable[str | Sequence[str]] = (),
) -> Effects:
    """Return each factor's effect on each metric, from a tidy frame with one row per run.

    ``frame`` has a column for each of the ``factors``, one for the ``seed`` and one for each metric, ours
    (``Sweep.frame()``) or anybody's. A level of None or NaN means that the factor has no meaning in that run; it is
    then compared within the runs that have it. Of runs with a column ``status`` those count that are ``finished`` or
    ``diverged``; a column ``diverged`` may say the latter, too. ``metrics`` are columns whose names say which way is
    better, or ``Metric``.

    ``baseline`` names the level that the others are compared with, by factor (else the first in the frame); with
    ``pairs="all"`` every two levels are compared. ``by="act"`` gives the effects of the other factors within each
    level of ``act``. ``margin`` is the largest difference that is called "no effect", in the unit of the metric
    (points, a ratio, or as it is), or one for each column. ``budget`` is the number of steps that a run had, or the
    column that has it, for "steps to target". ``inestimable`` are effects that the design cannot tell apart, as
    factors or pairs of them: they are refused.

    A contrast is taken within each seed, everything else equal, averaged over the other factors; the seeds'
    differences are tested by Student's t and by sign flips, and an effect is called if both agree after Holm's
    adjustment. A family is all contrasts of one metric, and all interactions of one metric another. ``ValueError``
    says what is wrong with the arguments.
    """
    chosen = [metrics] if isinstance(metrics, Metric | str) else list(metrics)
    if isinstance(margin, int | float) and len(chosen) > 1:
        raise ValueError("One margin for several metrics: give a margin for each, {column: margin}.")
    measured = [with_margin(as_metric(metric), margin) for metric in chosen]
    check(frame, [metric.column for metric in measured])
    if isinstance(margin, Mapping) and (unknown := set(margin) - {metric.column for metric in measured}):
        raise ValueError(f"margin names {listed(sorted(unknown))}, which is none of the metrics.")
    if not 0.5 < confidence < 1:
        raise ValueError(f"confidence must be in (0.5, 1), not {confidence}.")
    if pairs not in ("baseline", "all"):
        raise ValueError(f"pairs must be 'baseline' or 'all', not {pairs!r}.")
    if by is not None and by not in factors:
        raise ValueError(f"by={by!r} is none of the factors {listed(list(factors))}.")
    table = tabulate(frame, factors, seed, baseline)
    refused = frozenset(frozenset([effect] if isinstance(effect, str) else effect) for effect in inestimable)
    return _Study(table, pairs, by, confidence, budget, refused).effects(measured)


class _Study:
    """The work of one call."""

    def __init__(
        self,
        table: Table,
        pairs: Pairs,
        by: str | None,
        confidence: float,
        budget: float | str | None,
        inestimable: Collection[frozenset[str]],
    ) -> None:
        self.table = table
        self.pairs = pairs
        self.by = by
        self.confidence = confidence
        self.budget = budget
        self.inestimable = inestimable
        self.refused: dict[str, list[str]] = {}

    def effects(self, metrics: Sequence[Metric]) -> Effects:
        found: list[Contrast] = []
        crossed: list[Interaction] = []
        portions: list[Share] = []
        for metric in metrics:
            timed = times(self.table, metric, self.budget) if metric.censored else None
            own = timed.restricted if timed else self.table.column(metric.column)
            values = metric.on_test_scale(own)
            compared = self._contrasts(metric, own, values, timed)
            if self.by is None:
                across = self._interactions(metric, values, timed)
                compared = [interactions.dependent(one, across) for one in compared]
                crossed += across
                portions += shares(self.table, metric, values, self.inestimable)
            found += compared
        return Effects(
            tuple(found),
            tuple(crossed),
            tuple(portions),
            self._divergences(),
            tuple(Refusal(tuple(dict.fromkeys(names)), why) for why, names in self.refused.items()),
            (*self._notes(found), *_families(metrics, found, crossed)),
        )

    def _refuse(self, effect: str, why: str) -> None:
        self.refused.setdefault(why, []).append(effect)

    def _parts(self) -> list[tuple[Table, Any, tuple[str, Any] | None]]:
        """Return the tables that contrasts are taken in, with the arms of each in the whole table."""
        if self.by is None:
            return [(self.table, np.ones(len(self.table.codes), dtype=bool), None)]
        return [
            (self.table.within(self.by, level), self.table.at(self.by, level), (self.by, value))
            for level, value in enumerate(self.table.levels[self.by])
        ]

    def _compared(self) -> list[tuple[Table, Any, tuple[str, Any] | None, str, tuple[int, int]]]:
        """Return what is to be compared, and refuse what cannot be."""
        wanted = []
        for table, arms, within in self._parts():
            for factor in table.factors:
                effect = frozenset([factor] if self.by is None else [factor, self.by])
                if {frozenset([factor]), effect} & set(self.inestimable):
                    self._refuse(factor, "aliased: the design cannot tell it from other effects")
                    continue
                levels = contrasts.present(table, factor)
                inside = f" within {setting(*within)}" if within else ""
                if len(levels) < 2:
                    if levels or within is None:
                        self._refuse(f"{factor}{inside}", "it has only one level, so that there is nothing to compare")
                    continue
                wanted += [
                    (table, arms, within, factor, (a, b))
                    for a, b in contrasts.level_pairs(table, factor, self.pairs)
                    if a in levels and b in levels
                ]
        return wanted

    def _contrasts(self, metric: Metric, own: Floats, values: Floats, timed: Times | None) -> list[Contrast]:
        family: list[tuple[Contrasted, Any]] = []
        for table, arms, within, factor, levels in self._compared():
            one = contrasts.contrast(table, factor, levels, values[arms], within)
            never = one is not None and timed is not None and timed.of(arms).never(one.pairing, one.found.used)
            if one is not None and not never:
                family.append((one, arms))
                continue
            a, b = (setting(factor, table.levels[factor][level]) for level in levels)
            inside = f" within {setting(*within)}" if within else ""
            there = np.where(table.usable, 0.0, np.nan)
            lost = contrasts.contrast(table, factor, levels, there, within) is None
            why = "runs failed or are missing" if lost else f"{metric.name} was not measured"
            unpaired = f"no seed has both with everything else equal, as {why}"
            self._refuse(f"{a} against {b}{inside}", NEVER if never else unpaired)
        cut = [timed is not None and timed.of(arms).cut(one.pairing, one.found.used) for one, arms in family]
        slack = [timed.of(arms).slack(one.pairing, one.found.used, (1, -1)) if timed else 0.0 for one, arms in family]
        tested = paired([one.found.values for one, _ in family], metric, self.confidence, cut, slack)
        return [
            contrasts.finish(one, test, own[arms], timed.of(arms) if timed else None)
            for (one, arms), test in zip(family, tested, strict=True)
        ]

    def _interactions(self, metric: Metric, values: Floats, timed: Times | None) -> list[Interaction]:
        family = []
        for first, second in itertools.combinations(self.table.factors, 2):
            name = f"{first}×{second}"
            if min(len(contrasts.present(self.table, factor)) for factor in (first, second)) < 2:
                continue
            if frozenset([first, second]) in self.inestimable:
                self._refuse(name, "aliased: the design cannot tell it from other effects")
                continue
            found = interactions.cross(self.table, first, second, self.pairs, values)
            if timed and (never := [one for one in found if timed.never(one.pairing, one.found.used)]):
                self._refuse(name, NEVER)
                found = [one for one in found if one not in never]
            elif not found:
                self._refuse(name, "no seed has the four combinations of two levels of each with everything else equal")
            family += found
        simple = [effect for one in family for effect in one.simple()]
        alone = estimates(simple, metric, self.confidence)
        cut = [timed is not None and timed.cut(one.pairing, one.found.used) for one in family]
        slack = [timed.slack(one.pairing, one.found.used, interactions.WEIGHTS) if timed else 0.0 for one in family]
        tested = paired([one.found.values for one in family], metric, self.confidence, cut, slack)
        return [
            interactions.finish(self.table, one, test, (alone[2 * at], alone[2 * at + 1]), timed)
            for at, (one, test) in enumerate(zip(family, tested, strict=True))
        ]

    def _divergences(self) -> tuple[Divergence, ...]:
        if not self.table.diverged.any():
            return ()
        found = []
        for table, _, within, factor, levels in self._compared():
            pairing = pair(table, [table.at(factor, level) for level in levels], [factor])
            if pairing is None:
                continue
            one = divergence.divergence(table, factor, levels, pairing, within, self.confidence)
            if one is not None:
                found.append(one)
        return divergence.family(found)

    def _notes(self, found: Sequence[Contrast]) -> list[str]:
        table = self.table
        wanted, there = table.rows.size, int(table.usable.sum())
        notes = []
        if there < wanted:
            notes.append(f"{there} of {wanted} runs are there: {wanted - there} are missing or failed.")
        if diverged := int(table.diverged.sum()):
            notes.append(f"{diverged} of {there} runs diverged.")
        alpha = 1 - self.confidence
        if any(one.test.interval for one in found):
            notes.append(
                f"Intervals: {100 * self.confidence:g} %, each by itself. An effect is called if t test and sign flips "
                f"agree, both at {alpha:.2g} after Holm over all contrasts of a metric (or all its interactions)."
            )
        return notes


def _families(metrics: Sequence[Metric], found: Sequence[Contrast], crossed: Sequence[Interaction]) -> list[str]:
    """Return which of several metrics the others are secondary to, and how many families of tests there are."""
    if len(metrics) < 2:
        return []
    count = len({one.metric for one in found}) + len({one.metric for one in crossed})
    return [
        f"Primary: {metrics[0].name}; the other metrics are secondary. {counted(count, 'family', 'families')} of "
        "tests, each held to its own level: some effect may be false."
    ]
