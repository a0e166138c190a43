"""Tuning: each arm gets its own value of a parameter, chosen on seeds that are not reported.

A comparison at one fixed learning rate measures the learning rate (Dahl et al. 2023, arXiv:2306.07179: tuning is part
of the method). So ``tune=lr`` tries the same number of values in every arm, by the validation metric, before any
reported run is trained.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.designs.apart import TUNING
from ablate.designs.tuning import at_edge, choose, grid_around
from ablate.engines.planned import PlannedRun
from ablate.errors import ConfigError
from ablate.overrides import Setting
from ablate.results import judged
from ablate.sweep_facts import Tuned
from ablate.sweeps.arms import Composer, PlannedArm

TUNING_SEEDS = 3
"""How many seeds are tuned on when nothing is said."""

Values = tuple[str, ...]
"""One value for each tuned parameter that an arm has."""


@dataclass(frozen=True)
class Tuning:
    """The parameters to tune, the values to try, and the seeds to try them on."""

    given: Mapping[str, Sequence[str]]
    """The grid of each tuned parameter; empty where it lies around the option's default."""
    seeds: tuple[int, ...]
    composer: Composer

    def grid(self, arm: PlannedArm) -> dict[str, Sequence[str]]:
        """Return the values to try of each parameter that the arm has."""
        had = (key for key in self.given if self.composer.applies(key, arm.levels))
        return {key: self.given[key] or _around(key, arm) for key in had}

    def runs(self, arm: PlannedArm) -> dict[Values, list[PlannedRun]]:
        """Return the runs that tune ``arm``: every combination of values with every tuning seed."""
        grid = self.grid(arm)
        found = {}
        for values in itertools.product(*grid.values()):
            tuned = dict(zip(grid, values, strict=True))
            candidate = self.composer.plan(arm.levels, tuned=tuned)
            own = dataclasses.replace(candidate.config, name=arm.config.folder_name + TUNING.suffix)
            found[values] = [dataclasses.replace(candidate, config=own).run(seed) for seed in self.seeds]
        return found

    def chosen(self, arm: PlannedArm, higher_is_better: bool) -> tuple[PlannedArm, Tuned]:
        """Return ``arm`` with the values that did best in its tuning runs, and what is to be said of the choice."""
        grid = self.grid(arm)
        scores = {values: [judged(r.record()) for r in runs] for values, runs in self.runs(arm).items()}
        names = {",".join(values): values for values in scores}
        choice = choose({",".join(values): each for values, each in scores.items()}, higher_is_better)
        values = names[choice.level] if choice.level is not None else ()
        tuned = dict(zip(grid, values, strict=False))
        told = Tuned(
            levels=dict(arm.levels),
            chosen=tuned,
            grid={key: list(values) for key, values in grid.items()},
            at_edge=[key for key, value in tuned.items() if at_edge(value, grid[key])],
            means=dict(choice.means),
            failed=dict(choice.failed),
            seeds=list(self.seeds),
        )
        return self.composer.plan(arm.levels, tuned=tuned, name=arm.config.folder_name), told


def tuning_of(
    keys: Sequence[str], settings: Sequence[Setting], seeds: int, arms: Sequence[PlannedArm], composer: Composer
) -> Tuning | None:
    """Return the tuning that was asked for, None where none was; raise ``ConfigError`` where it is not possible."""
    if not keys:
        return None
    given = {key: next((s.levels for s in settings if s.key == key), ()) for key in keys}
    if alone := [key for key, levels in given.items() if len(levels) == 1]:
        raise ConfigError(f"tune={alone[0]}: one value, {given[alone[0]][0]}, decides nothing. Give several, or none.")
    reported = composer.seeds or (arms[0].config.seed,)
    tuning = Tuning(given, TUNING.seeds(reported, seeds), composer)
    had = {key for arm in arms for key in tuning.grid(arm)}
    if unknown := [key for key in keys if key not in had]:
        raise ConfigError(
            f"tune={unknown[0]}: no arm of this sweep has that parameter. Drop it, or choose an option that has it."
        )
    return tuning


def _around(key: str, arm: PlannedArm) -> Sequence[str]:
    value: Any = arm.config.flat()[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigError(
            f"tune={key}: its default, {value}, has no neighbours to try. Give the values: {key}=…,…,… tune={key}."
        )
    return grid_around(value)
