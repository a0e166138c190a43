"""A sweep's results: its records as tidy frames."""

from __future__ import annotations

import html
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ablate import analysis
from ablate.analysis.convergence import Convergence, convergence
from ablate.analysis.measure import Metric, as_metric, known
from ablate.analysis.naming import Names, names
from ablate.analysis.table import is_absent, label
from ablate.analysis.target import Target
from ablate.analysis.target import learned as has_learned
from ablate.analysis.target import target as target_of
from ablate.config import InitHead
from ablate.designs.calibration import AUTO
from ablate.designs.loo import without
from ablate.errors import ConfigError, DamageWarning, RecordError
from ablate.layer_table import MEASURES, read_layers
from ablate.lazy import pandas as pd
from ablate.record import Record, Status, find
from ablate.shapes import clean
from ablate.sweep_facts import SweepFacts
from ablate.sweep_settings import Design

if TYPE_CHECKING:
    from ablate.analysis import Effects, Interaction
    from ablate.figures.chart import Chart

PLOTS = ("curves", "effects", "interactions")
COLUMNS = frozenset(
    {"seed", "status", "parameters", "macs", "optimizer_state_bytes", "seconds", "folder", "arm_hash"}
    | {"step", "metric", "value", "side", "path"}
    | {one.name for one in fields(Convergence)}
)
"""What frames of runs and curves call something else, so that no factor can be called so."""
_MOST = 10_000
_summaries: dict[tuple[Any, ...], Convergence] = {}
"""Of the runs that were asked for last, so many of them at most; by all that a summary depends on."""
ROWS = 20
"""A notebook shows so many arms."""


class Sweep:
    """The runs of a sweep, in its order: arms first, then seeds.

    ``factors`` are the swept settings (the seed left out); ``target`` is the value of the validation metric
    for "steps to target", ``reached`` or ``auto``: see ``ablate.analysis.target``. With ``cost`` the report
    shows what the arms cost.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        records: Sequence[Record],
        factors: Sequence[str],
        target: float | str = AUTO,
        labels: Mapping[str, str] | None = None,
        cost: bool = False,
        facts: SweepFacts | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.records = list(records)
        self.factors = list(factors)
        self.cost = cost
        self.facts = facts or SweepFacts()
        self._target = target
        self._labels = labels or {}

    def __repr__(self) -> str:
        return f"Sweep({self.name!r}, {len(self.records)} runs, factors={self.factors})"

    def label(self, record: Record) -> str:
        """Return what this sweep calls the record's arm: what tells it from the others."""
        return self.names.of(record.facts.arm_hash, record.facts.arm)

    @cached_property
    def names(self) -> Names:
        """What the arms are called, and what they share; another sweep may have made them under other labels."""
        arms = {record.facts.arm_hash: record.facts.arm for record in self.records}
        return names({arm: self._labels.get(arm, label) for arm, label in arms.items()})

    def levels(self, record: Record) -> dict[str, Any]:
        """Return the level of each factor that the record's arm has; None of one that has no meaning in it."""
        unsaid = {"init_from": "null", "init_head": InitHead.scratch.name, "freeze": [], "layer_decay": 1.0}
        settings = unsaid | record.facts.settings
        settings["arm"] = self.label(record)
        return {factor: settings.get(factor) for factor in self.factors}

    @property
    def metric(self) -> str:
        """The validation metric that the runs are judged by."""
        return self._judged().facts.metric

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger ``metric`` is better."""
        return self._judged().facts.higher_is_better

    def _judged(self) -> Record:
        return next((r for r in self.records if r.status.done), self.records[0])

    def target(self) -> Target:
        """Return the target of the validation metric, and where it comes from."""
        arms: dict[str, list[float | None]] = {}
        calibration = self.facts.calibration
        for record in self.records:
            arms.setdefault(self.label(record), []).append(judged(record))
            if calibration.arm == self._labels.get(record.facts.arm_hash, record.facts.arm):
                calibration = replace(calibration, arm=self.label(record))
        return target_of(self._target, calibrated=calibration, arms=arms, higher_is_better=self.higher_is_better)

    def frame(self) -> pd.DataFrame:
        """Return one row per run: arm, factors, seed, status, convergence, test metrics, cost."""
        target = self.target().value
        rows = []
        for record in self.records:
            facts = record.facts
            rows.append(
                {
                    "arm": self.label(record),
                    **self.levels(record),
                    "seed": facts.seed,
                    "status": str(record.status),
                    **asdict(summary(record, target)),
                    **facts.test,
                    "parameters": facts.parameters,
                    "macs": facts.macs,
                    "optimizer_state_bytes": facts.optimizer_state_bytes,
                    "seconds": facts.seconds,
                    "folder": str(record.folder),
                    "arm_hash": facts.arm_hash,
                }
            )
        return pd.DataFrame(rows)

    def curves(self) -> pd.DataFrame:
        """Return one row per run, step and metric: arm, factors, seed, step, metric, value."""
        arm = dict.fromkeys(("arm", *self.factors))  # which may be a factor
        columns: dict[str, list[Any]] = {name: [] for name in (*arm, "seed", "metric")}
        steps, values = [np.empty(0)], [np.empty(0)]
        for record in self.records:
            curves = record.curves()
            keys = {"arm": self.label(record), **self.levels(record), "seed": record.facts.seed}
            for metric in filter(lambda name: name != "step", curves):
                known = ~np.isnan(curves[metric])
                steps.append(curves["step"][known])
                values.append(curves[metric][known])
                for name, value in (keys | {"metric": metric}).items():
                    columns[name] += [value] * int(known.sum())
        found = pd.DataFrame(columns | {"step": np.concatenate(steps).astype(int), "value": np.concatenate(values)})
        return found[[*arm, "seed", "step", "metric", "value"]]

    def metrics(self, frame: pd.DataFrame | None = None) -> list[Metric]:
        """Return what arms are compared by, where it was measured: steps to target, best, mean loss, the test. Steps
        also where no run got there, which is to be said.
        """
        frame = self.frame() if frame is None else frame
        best = self._measure("best")
        test = known(f"test/{self.metric.rpartition('/')[2]}", self.higher_is_better)
        wanted = [as_metric("steps_to_target"), best, as_metric("area"), test]
        measured = [one for one in wanted if _measured(frame, one.column)]
        if measured and self.target().value is not None and not _measured(frame, "steps_to_target"):
            return [wanted[0], *measured]
        return measured

    def _measure(self, metric: Metric | str) -> Metric:
        """Return what a column of ``frame()`` measures: ``best`` and ``final`` are of what the runs are judged by."""
        if metric not in ("best", "final"):
            return as_metric(metric)
        return replace(known(self.metric, self.higher_is_better), column=metric, label=f"{metric} {self.metric}")

    def effects(self, metrics: Metric | str | Sequence[Metric | str] | None = None, **options: Any) -> Effects:
        """Return what each factor does to each metric, with intervals. ``metrics`` are columns of ``frame()``, by
        default those of ``metrics()``; ``options`` are those of ``ablate.analysis.effects``: ``by="act"``,
        ``pairs="all"``, ``baseline={"norm": "bn"}``. Levels are compared with the one that means "without", ``none``,
        where a factor has one, and else with the first; one factor at a time, with that of the baseline they were
        varied from. Of a path only its end is compared with its start.
        """
        self._check_factors(1)
        frame = self.frame()
        named = [metrics] if isinstance(metrics, Metric | str) else metrics
        chosen = self.metrics(frame) if named is None else [self._measure(one) for one in named]
        if self.facts.design == Design.path.name:
            return self._of_path(frame, chosen, options)
        ours: dict[str, Any] = {"inestimable": self.facts.inestimable, "baseline": self._baseline(frame)}
        return analysis.effects(frame, self.factors, chosen, **{**ours, **options})

    def _of_path(self, frame: pd.DataFrame, metrics: Sequence[Metric | str], options: Mapping[str, Any]) -> Effects:
        """Return what the end of a path is against its start, and no effect of a factor: the steps were chosen by the
        best of these very runs, whose tests would find effects where there are none.
        """
        ends = {}
        for place, name in ((0, "start"), (-1, "end")):
            levels = {factor: label(self.facts.factors[factor][place]) for factor in self.factors}
            own = frame.apply(_has, axis=1, levels=levels)
            ends[name] = frame[own].assign(path=name)
        chosen = analysis.Refusal(tuple(self.factors), "the path chose its steps by these very runs")
        if any(rows.empty for rows in ends.values()):
            return analysis.Effects((), (), (), (), (chosen,), ())
        both = pd.concat(ends.values(), ignore_index=True)
        given = {"budget": "budget"} if both["budget"].notna().all() else {}
        found = analysis.effects(both, ["path"], metrics, **{**given, "baseline": {"path": "start"}, **options})
        return replace(found, shares=(), refused=(chosen, *found.refused))

    def _baseline(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Return the level that each factor's others are compared with, where it is not the first."""
        if self.facts.design == Design.ofat.name and self.facts.arms:
            of = next((record for record in self.records if record.facts.arm_hash == self.facts.arms[0]), None)
            return {} if of is None else self.levels(of)
        off = {factor: without(frame[factor]) for factor in self.factors}
        return {factor: level for factor, level in off.items() if level is not None}

    def interactions(self, metrics: Metric | str | Sequence[Metric | str] | None = None) -> tuple[Interaction, ...]:
        """Return whether the effect of each factor depends on each other one."""
        return self.effects(metrics).interactions

    def plot(self, what: str, metric: str | None = None) -> Chart:
        """Return a matplotlib figure: ``curves``, of a validation curve (by default what the runs are judged by);
        ``effects``, on a column of ``frame()`` (by default all that are compared); ``interactions``, on one (by default
        steps to target).
        """
        if what not in PLOTS:
            raise ConfigError(f"There is no plot {what!r}. There is {', '.join(PLOTS)}.")
        self._check_factors(2 if what == "interactions" else 1)
        if not any(record.curves() for record in self.records):
            raise ConfigError("There is nothing to plot: no run has a curve yet.")
        chosen = None if metric is None else [metric]
        if what == "curves":
            from ablate.figures.curves import curves

            name = metric or self.metric
            shown = analysis.bands(self.curves(), self.factors, name)
            return curves(shown, name, self.target().value if name == self.metric else None)
        if what == "effects":
            from ablate.figures.effects import effects

            found = self.effects(chosen).contrasts
            if not found:
                raise ConfigError("No effect to plot: no two levels have runs with a result and the same seed.")
            return effects(found)
        from ablate.figures.interactions import interactions

        frame = self.frame()
        measured = (one for one in self.metrics(frame) if _measured(frame, one.column))
        of = self._measure(metric) if metric else next(measured)
        return interactions(analysis.cells(frame, self.factors, of), of)

    def _check_factors(self, least: int) -> None:
        if len(self.factors) < least:
            said = ("a factor", "norm=bn,none"), ("two factors", "norm=bn,none opt=sgd,adam")
            needed, way_out = said[least - 1]
            raise ConfigError(f"This takes {needed}, and the sweep has {len(self.factors)}: vary {way_out}, say.")

    def _repr_html_(self) -> str:
        """Return the arms as a small table, for notebooks."""
        frame = self.frame()
        found = frame.groupby(["arm_hash", *self.factors], sort=False, dropna=False)
        table = found.agg(
            runs=("seed", "size"),
            finished=("status", lambda values: int((values == Status.finished).sum())),
            reached=("steps_to_target", "count"),
            **{f"best {self.metric}": ("best", "mean")},
        )
        table = (
            table.reset_index()
            .drop(columns="arm_hash")
            .sort_values(f"best {self.metric}", ascending=not self.higher_is_better)
        )
        counts = f"{self.name}: {len(self.records)} runs, {len(table)} arms"
        title = html.escape(". ".join(filter(None, (counts, self.names.sentence()))))
        shown = table.to_html(index=False, max_rows=ROWS, na_rep="–", float_format="{:.4g}".format, border=0)
        return f"<p>{title}</p>{shown}"


def _measured(frame: pd.DataFrame, column: str) -> bool:
    """Return whether any run has a value."""
    return column in frame and bool(pd.to_numeric(frame[column]).notna().any())


def _has(run: pd.Series, levels: Mapping[str, str]) -> bool:
    """Return whether a run has the levels, as far as they have a meaning in it."""
    return all(is_absent(run[factor]) or label(run[factor]) == level for factor, level in levels.items())


def layers(record: Record) -> pd.DataFrame:
    """Return one row per measured step and layer of a run, as ``layers.csv`` has them; empty where there is none."""
    rows = read_layers(record.folder / "layers.csv")
    # even where there is none, a number is a number
    return pd.DataFrame(rows, columns=["step", "layer", *MEASURES]).astype(dict.fromkeys(("step", *MEASURES), float))


def summary(record: Record, target: float | None = None) -> Convergence:
    """Return the convergence of one record; all None but the budget where it has no curve."""
    facts = record.facts
    # a report asks a dozen times for each
    asked = target, facts.metric, facts.higher_is_better, facts.chance, facts.budget, facts.test.get("test/loss")
    key = (record.curves_stamp(), *asked)
    if key not in _summaries:
        if len(_summaries) == _MOST:
            _summaries.clear()
        _summaries[key] = _summary(record, target)
    return _summaries[key]


def _summary(record: Record, target: float | None) -> Convergence:
    curves = record.curves()
    if record.facts.metric not in curves:
        return Convergence(None, None, None, None, None, None, budget=record.facts.budget)
    return convergence(
        curves["step"],
        curves[record.facts.metric],
        curves.get("val/loss", np.empty(0)),
        higher_is_better=record.facts.higher_is_better,
        target=target,
        chance=record.facts.chance,
        budget=record.facts.budget,
        train_loss=curves.get("train/loss"),
        test_loss=record.facts.test.get("test/loss"),
        step_seconds=curves.get("time/step"),
    )


def judged(record: Record) -> float | None:
    """Return the best value of the metric that a run is judged by; None unless it finished."""
    return summary(record).best if record.status is Status.finished else None


def learned(record: Record) -> bool:
    """Say whether a run's curves show that it learned."""
    curves, facts, none = record.curves(), record.facts, np.empty(0)
    metric, loss = curves.get(facts.metric, none), curves.get("val/loss", none)
    return has_learned(metric, loss, higher_is_better=facts.higher_is_better, chance=facts.chance)


def open_sweep(folder: Path) -> Sweep:
    """Return the sweep that was called last in ``folder``, from what it left there.

    Without a ``sweep.json``, or with one that does not tell its arms apart, of all records, with every setting that
    differs between them as a factor; with the arm as the one factor where settings do not tell all arms apart. Raises
    ``RecordError`` where there is no record.
    """
    found, problems = find(folder)
    if not found:
        raise RecordError(problems[0] if problems else f"{folder} has no records of runs.")
    records = list({(record.facts.arm_hash, record.facts.seed): record for record in reversed(found)}.values())[::-1]
    if len(records) < len(found):
        _warn(f"{folder} has {len(found) - len(records)} runs twice, with the same arm and seed: the first is taken.")
    name, facts = clean(folder.name), SweepFacts.load(folder)
    if facts is not None:
        order = {arm: number for number, arm in enumerate(facts.arms)}
        own = [record for record in records if record.facts.arm_hash in order and record.facts.seed in facts.seeds]
        own.sort(key=lambda record: (order[record.facts.arm_hash], facts.seeds.index(record.facts.seed)))
        labels = dict(zip(facts.arms, facts.labels, strict=False))  # of old there were none
        if all(facts.factors.values()) and _told_apart(own or records, list(facts.factors)):
            return Sweep(name, folder, own or records, list(facts.factors), facts.target, labels, facts=facts)
        _warn(f"{folder / 'sweep.json'} does not tell the arms apart that are there, and is left out.")
    keys = dict.fromkeys(key for record in records for key in record.facts.settings if key not in COLUMNS)
    factors = [key for key in keys if len({str(record.facts.settings.get(key)) for record in records}) > 1]
    if not _told_apart(records, factors):
        factors = ["arm"]  # of two versions of an option, say
    return Sweep(name, folder, records, factors)


def _told_apart(records: Sequence[Record], factors: Sequence[str]) -> bool:
    """Whether no two arms have the same levels, the one of a sweep without factors included."""
    if "arm" in factors:
        return True
    defaults = {"init_from": "null", "init_head": InitHead.scratch.name}
    arms = {
        record.facts.arm_hash: tuple(label((defaults | record.facts.settings).get(key)) for key in factors)
        for record in records
    }
    return not COLUMNS & {*factors} and len(set(arms.values())) == len(arms)


def _warn(sentence: str) -> None:
    warnings.warn(sentence, DamageWarning, stacklevel=3)
