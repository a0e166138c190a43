"""All that the faces of a report show, computed once from the records of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.analysis import Effects, Metric, bands, cells, effects
from ablate.analysis.measure import as_metric
from ablate.analysis.table import label
from ablate.facts import FAILURES, Status, command
from ablate.record import Record
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
    metric: str
    higher_is_better: bool
    target: float | None
    why_target: str
    frame: pd.DataFrame
    curves: pd.DataFrame
    effects: Effects
    bands: Mapping[str, pd.DataFrame]
    """By validation curve."""
    cells: Mapping[str, tuple[Metric, pd.DataFrame]]
    """By metric, where there are two factors."""
    arms: Sequence[Arm]
    """The best first."""
    failures: Sequence[Failure]
    warnings: Sequence[str]
    commands: Sequence[str]
    """What was typed."""
    versions: Mapping[str, str]

    @property
    def counts(self) -> dict[str, int]:
        """How many runs ended how."""
        return {str(status): int(count) for status, count in self.frame["status"].value_counts().items()}

    @property
    def seeds(self) -> list[int]:
        """All seeds of the sweep."""
        return sorted({int(seed) for seed in self.frame["seed"]})


def content_of(sweep: Sweep) -> Content:
    """Return what a report of the sweep says; a sweep of one arm has no effects."""
    target, why = sweep.target()
    frame, curves = sweep.frame(), sweep.curves()
    metrics = compared(frame, sweep.metric, sweep.higher_is_better)
    found = NOTHING
    if sweep.factors and metrics:
        inestimable = sweep.facts.inestimable
        found = effects(frame, sweep.factors, metrics, inestimable=inestimable)
    shown = [name for name in dict.fromkeys((sweep.metric, "val/loss")) if (curves["metric"] == name).any()]
    crossed = {one.metric.column: one.metric for one in found.interactions}
    return Content(
        name=sweep.name,
        folder=sweep.folder,
        facts=sweep.facts,
        factors={factor: _levels(frame, factor) for factor in sweep.factors},
        metric=sweep.metric,
        higher_is_better=sweep.higher_is_better,
        target=target,
        why_target=why,
        frame=frame,
        curves=curves,
        effects=found,
        bands={name: bands(curves, sweep.factors, name) for name in shown} if sweep.factors else {},
        cells={name: (metric, cells(frame, sweep.factors, metric)) for name, metric in crossed.items()},
        arms=_arms(sweep, frame),
        failures=[one for record in sweep.records if (one := _failure(sweep, record)) is not None],
        warnings=list(dict.fromkeys(warning for record in sweep.records for warning in record.facts.warnings)),
        commands=list(dict.fromkeys(record.facts.command for record in sweep.records if record.facts.command)),
        versions=dict(sorted({k: v for record in sweep.records for k, v in record.facts.versions.items()}.items())),
    )


def compared(frame: pd.DataFrame, metric: str, higher_is_better: bool) -> list[Metric]:
    """Return the metrics that a report compares arms by: steps to target, best and mean of the curves, the test."""
    wanted = [
        as_metric("steps_to_target"),
        replace(_known(metric, higher_is_better), column="best", label=f"best {metric}"),
        as_metric("area"),
        _known(f"test/{metric.rpartition('/')[2]}", higher_is_better),
    ]
    return [one for one in wanted if one.column in frame and pd.to_numeric(frame[one.column]).notna().any()]


def _known(column: str, higher_is_better: bool) -> Metric:
    try:
        return as_metric(column)
    except ValueError:
        return Metric(column, higher_is_better)


def _levels(frame: pd.DataFrame, factor: str) -> list[str]:
    return list(dict.fromkeys(label(level) for level in frame[factor].dropna()))


def _arms(sweep: Sweep, frame: pd.DataFrame) -> list[Arm]:
    arms = [
        Arm(rows["arm"].iloc[0], str(digest), {factor: rows[factor].iloc[0] for factor in sweep.factors}, rows)
        for digest, rows in frame.groupby("arm_hash", sort=False)
    ]
    sign = -1 if sweep.higher_is_better else 1

    def rank(arm: Arm) -> tuple[bool, bool, float]:
        mean = arm.runs["best"].mean()
        return not (arm.runs["status"] == Status.finished).any(), bool(pd.isna(mean)), sign * float(mean)

    return sorted(arms, key=rank)


def _failure(sweep: Sweep, record: Record) -> Failure | None:
    status, facts = record.status, record.facts
    if status not in (*FAILURES, Status.diverged):
        return None
    why = (facts.error or "").strip().splitlines()
    alone = command(facts.overrides) if facts.overrides else ""
    return Failure(str(status), sweep.label(record), facts.seed, why[0] if why else "no message", alone)
