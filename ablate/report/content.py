"""All that the faces of a report show, computed once from the records of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ablate.analysis import Effects, Metric, bands, cells
from ablate.analysis.naming import Names
from ablate.analysis.table import label
from ablate.analysis.target import Target
from ablate.facts import FAILURES, Status, command
from ablate.figures.chart import Chart
from ablate.figures.curves import curves as curve_plot
from ablate.figures.effects import effects as effect_plot
from ablate.figures.interactions import interactions as interaction_plot
from ablate.record import Record
from ablate.report.ills import Examined, examined
from ablate.report.ranking import ranked
from ablate.results import Sweep
from ablate.sweep_facts import SweepFacts

NOTHING = Effects((), (), (), (), (), ())


@dataclass(frozen=True, eq=False)
class Arm:
    """One configuration and its runs."""

    name: str
    hash: str
    levels: Mapping[str, Any]
    runs: pd.DataFrame
    """The rows of the sweep's frame."""

    @property
    def statuses(self) -> dict[str, int]:
        """How many runs ended how."""
        return {str(status): int(count) for status, count in self.runs["status"].value_counts().items()}


@dataclass(frozen=True)
class Failure:
    """A run that has no result, or one that diverged."""

    status: str
    arm: str
    seed: int
    why: str
    command: str


@dataclass(frozen=True, eq=False)
class Content:
    """What a report says."""

    name: str
    folder: Path
    facts: SweepFacts
    factors: Mapping[str, Sequence[str]]
    """Each factor's levels, as on the command line."""
    names: Names
    """What the arms are called, and the settings that they share."""
    metric: str
    higher_is_better: bool
    aim: Target
    frame: pd.DataFrame
    curves: pd.DataFrame
    effects: Effects
    bands: Mapping[str, pd.DataFrame]
    """By validation curve."""
    cells: Mapping[str, tuple[Metric, pd.DataFrame]]
    """By metric, where there are two factors: of steps to target and of the test. Pairs that interact come first."""
    arms: Sequence[Arm]
    """The best first."""
    layers: Sequence[Examined]
    """The arms whose layers were measured, and what is wrong in them."""
    failures: Sequence[Failure]
    imported: Sequence[Mapping[str, str]]
    """Where runs are from that ablate did not train: ``from`` which tracker, and its ``source``."""
    warnings: Sequence[str]
    commands: Sequence[str]
    """What was typed: the command that gives this report first, then those that its runs were trained by before."""
    versions: Mapping[str, str]

    @property
    def counts(self) -> dict[str, int]:
        """How many runs ended how."""
        return {str(status): int(count) for status, count in self.frame["status"].value_counts().items()}

    @property
    def seeds(self) -> list[int]:
        """All seeds of the sweep."""
        return sorted({int(seed) for seed in self.frame["seed"]})

    @property
    def target(self) -> float | None:
        """The value of the validation metric that "steps to target" counts to."""
        return self.aim.value

    @property
    def told_target(self) -> str:
        """The target and where it comes from: ``val/acc ≥ 0.95 (as given)``."""
        return self.aim.text(self.metric, self.higher_is_better)

    @cached_property
    def drawings(self) -> dict[str, Chart]:
        """Every figure by its name: ``effects``, ``curves/val/acc``, ``interactions/steps_to_target``."""
        drawn = {"effects": effect_plot(self.effects.contrasts)} if self.effects.contrasts else {}
        for name, band in self.bands.items():
            drawn[f"curves/{name}"] = curve_plot(band, name, self.target if name == self.metric else None)
        for name, (metric, table) in self.cells.items():
            drawn[f"interactions/{name}"] = interaction_plot(table, metric)
        return drawn


def content_of(sweep: Sweep) -> Content:
    """Return what a report of the sweep says; a sweep of one arm has no effects."""
    frame, curves = sweep.frame(), sweep.curves()
    metrics = sweep.metrics(frame)
    found = NOTHING
    if sweep.factors and metrics:
        found = sweep.effects(metrics)
    shown = [name for name in dict.fromkeys((sweep.metric, "val/loss")) if (curves["metric"] == name).any()]
    crossed = {one.metric.column: one.metric for one in found.interactions}
    typed = [sweep.facts.command, *(record.facts.command for record in sweep.records)]
    plotted = [name for name in crossed if name == "steps_to_target" or name.startswith("test/")] or list(crossed)[:1]
    return Content(
        name=sweep.name,
        folder=sweep.folder,
        facts=sweep.facts,
        factors={factor: _levels(frame, factor) for factor in sweep.factors},
        names=sweep.names,
        metric=sweep.metric,
        higher_is_better=sweep.higher_is_better,
        aim=sweep.target(),
        frame=frame,
        curves=curves,
        effects=found,
        bands={name: bands(curves, sweep.factors, name) for name in shown} if sweep.factors else {},
        cells={name: (crossed[name], _ranked(cells(frame, sweep.factors, crossed[name]), found)) for name in plotted},
        arms=_arms(sweep, frame),
        layers=examined(sweep),
        failures=[one for record in sweep.records if (one := _failure(sweep, record)) is not None],
        imported=_imported(sweep),
        warnings=list(dict.fromkeys(warning for record in sweep.records for warning in record.facts.warnings)),
        commands=list(dict.fromkeys(one for one in typed if one)),
        versions=dict(sorted({k: v for record in sweep.records for k, v in record.facts.versions.items()}.items())),
    )


def _imported(sweep: Sweep) -> list[dict[str, str]]:
    said = [record.facts.imported for record in sweep.records if record.facts.imported]
    places = dict.fromkeys((one.get("from", ""), one.get("source", "")) for one in said)
    return [{"from": tracker, "source": source} for tracker, source in places]


def _levels(frame: pd.DataFrame, factor: str) -> list[str]:
    return list(dict.fromkeys(label(level) for level in frame[factor].dropna()))


def _arms(sweep: Sweep, frame: pd.DataFrame) -> list[Arm]:
    found = []
    for rows in ranked(frame, sweep.higher_is_better):
        first = rows.iloc[0]
        found.append(Arm(first["arm"], first["arm_hash"], {factor: first[factor] for factor in sweep.factors}, rows))
    return found


def _ranked(cells: pd.DataFrame, found: Effects) -> pd.DataFrame:
    """Return the cells with the pairs first that were found to interact in any metric."""
    called = {(one.factor, one.other) for one in found.interactions if one.test.verdict.effect}
    open_ = [pair not in called for pair in zip(cells["factor"], cells["other"], strict=True)]
    return cells.iloc[np.argsort(open_, kind="stable")].reset_index(drop=True)


def _failure(sweep: Sweep, record: Record) -> Failure | None:
    status, facts = record.status, record.facts
    if status not in (*FAILURES, Status.diverged):
        return None
    why = (facts.error or "").strip().splitlines()
    alone = command(facts.overrides, facts.plugins) if facts.overrides else ""
    return Failure(str(status), sweep.label(record), facts.seed, why[0] if why else "no message", alone)
