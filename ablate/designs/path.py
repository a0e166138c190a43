"""The ablation path: from one configuration to another, one factor a step, the best step first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from statistics import fmean

from ablate.designs.factor import Arm, Factor, refuse_other_than_two_levels
from ablate.designs.race import leader, survivors
from ablate.designs.step import Step

FIRST_BLOCK = 3
"""Seeds that every candidate of a step is run with before any leaves; after that it is one seed at a time."""

Turned = frozenset[str]
"""An arm, as the keys of the factors that stand at their second level."""

Run = tuple[Turned, int]
"""An arm and a seed."""


class Path:
    """Finds the ablation path (Fawcett & Hoos 2016, J. Heuristics 22(4), 431-458, doi:10.1007/s10732-014-9275-9).

    It begins with every factor at its first level and ends with every factor at its second. Each step tries all
    factors that are left and turns the one that does best: greedily, by the metric after this step.

    The candidates of a step race, in the manner of F-race but with t tests. All are run with the first three seeds, the
    remaining ones with one more seed at a time. After each block a candidate leaves that failed more often than the
    leader, or that is worse by the one-sided paired t test at the 5 % level, uncorrected: a wrong decision costs
    a place on the path, it claims no effect. When one is left, or the seeds are used up, the leader wins
    (``race.leader``). The winner is run with all seeds, so that the means along the path compare like with like.

    ``ask`` says which runs are wanted, ``tell`` takes in what came out; how runs are made is no matter of the path.
    All it remembers are results, so that told again in any order they lead to the same path.
    """

    def __init__(self, factors: Sequence[Factor], seeds: Sequence[int], *, higher_is_better: bool) -> None:
        """Raise ``ConfigError`` for a factor that has not two levels. Seeds are used in their order."""
        refuse_other_than_two_levels(factors, "path")
        self._factors = tuple(factors)
        self._seeds = tuple(seeds)
        self._sign = 1 if higher_is_better else -1
        self._results: dict[Run, float | None] = {}

    @property
    def most_runs(self) -> int:
        """How many runs are wanted if nobody leaves a race: n(n+1)/2 + 1 arms, each with every seed."""
        n = len(self._factors)
        return (n * (n + 1) // 2 + 1) * len(self._seeds)

    def ask(self) -> list[tuple[Arm, int]]:
        """Return the runs that are wanted now and not told yet; none when the path is complete."""
        _, wanted = self._walk()
        return [(self._arm(turned), seed) for turned, seed in wanted]

    def tell(self, results: Iterable[tuple[Arm, int, float | None]]) -> None:
        """Take in the metric of runs that were asked for, all or some; None or a number not finite: it failed.

        Raises ``ValueError`` for a run that is not wanted.
        """
        wanted = set(self._walk()[1])
        for arm, seed, value in results:
            run = (self._turned(arm), seed)
            if run not in wanted:
                raise ValueError(f"the path did not ask for {dict(arm)} with seed {seed}")
            self._results[run] = None if value is None or not math.isfinite(value) else value

    @property
    def start(self) -> float | None:
        """Mean metric of the first arm, over the seeds with which it has finished; None if with none."""
        return _mean(self._scores(frozenset(), self._seeds))

    def steps(self) -> list[Step]:
        """Return the steps that are decided and whose arms have run with every seed."""
        route, wanted = self._walk()
        unfinished = {turned for turned, _ in wanted}
        made = []
        for before, after in itertools.pairwise(route):
            if unfinished & {before, after}:
                break
            made.append(self._step(before, after))
        return made

    def _step(self, before: Turned, after: Turned) -> Step:
        factor = next(f for f in self._factors if f.key in after - before)
        own, earlier = self._scores(after, self._seeds), self._scores(before, self._seeds)
        gaps = [a - b if a is not None and b is not None else None for a, b in zip(own, earlier, strict=True)]
        candidates = self._candidates(before)
        spent = sum((turned, seed) in self._results for turned in candidates for seed in self._seeds)
        saved = len(candidates) * len(self._seeds) - spent
        first, second = factor.levels
        return Step(factor.key, first, second, _mean(own), _mean(gaps), own.count(None), saved)

    def _walk(self) -> tuple[list[Turned], list[Run]]:
        """Follow the results from the start: return the arms of the path so far, and the runs that are missing.

        The winner's own runs do not hold up the next race.
        """
        route: list[Turned] = [frozenset()]
        wanted = self._missing(route, self._seeds)
        while candidates := self._candidates(route[-1]):
            winner, missing = self._race(candidates)
            if winner is None:
                return route, wanted + missing
            route.append(winner)
            wanted += self._missing([winner], self._seeds)
        return route, wanted

    def _race(self, candidates: list[Turned]) -> tuple[Turned | None, list[Run]]:
        """Return the winner, or None and the runs that are missing before the race can go on."""
        count = len(self._seeds)
        for raced in range(min(FIRST_BLOCK, count), count + 1):
            if len(candidates) == 1:
                break
            if missing := self._missing(candidates, self._seeds[:raced]):
                return None, missing
            scores = [self._scores(turned, self._seeds[:raced], self._sign) for turned in candidates]
            ahead = survivors(scores) if raced < count else [leader(scores)]
            candidates = [candidates[index] for index in ahead]
        return candidates[0], []

    def _missing(self, arms: Sequence[Turned], seeds: Sequence[int]) -> list[Run]:
        return [(turned, seed) for seed in seeds for turned in arms if (turned, seed) not in self._results]

    def _scores(self, turned: Turned, seeds: Sequence[int], sign: int = 1) -> list[float | None]:
        values = (self._results.get((turned, seed)) for seed in seeds)
        return [None if value is None else sign * value for value in values]

    def _candidates(self, turned: Turned) -> list[Turned]:
        return [turned | {factor.key} for factor in self._factors if factor.key not in turned]

    def _arm(self, turned: Turned) -> Arm:
        return {factor.key: factor.levels[factor.key in turned] for factor in self._factors}

    def _turned(self, arm: Arm) -> Turned:
        return frozenset(f.key for f in self._factors if arm[f.key] == f.levels[1])


def _mean(values: Sequence[float | None]) -> float | None:
    finished = [value for value in values if value is not None]
    return fmean(finished) if finished else None
