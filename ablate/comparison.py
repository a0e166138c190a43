"""Arms, runs or sweeps side by side: in what they differ, and what that comes to.

Two sides are contrasted seed by seed where they share seeds, and as two groups where they do not. What cannot be
compared is not: another metric is refused, other data are shown without a contrast, and whatever else limits what the
numbers say stands in ``notes``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablate.analysis import Contrast, Effects, Metric
from ablate.analysis.table import is_absent, label
from ablate.analysis.unpaired import Unpaired
from ablate.designs.calibration import AUTO
from ablate.errors import ConfigError
from ablate.facts import FAILURES
from ablate.record import Record, find
from ablate.results import Sweep, open_sweep
from ablate.side_contrasts import contrast_sides
from ablate.sides import Side

NOTHING = "–"
VERSION = "version of "


@dataclass(frozen=True, eq=False)
class Group:
    """The runs of a side that are compared with those of others."""

    side: Side
    common: str
    """Of sweeps: what the first side calls the arm."""
    records: list[Record]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What is known of the sides together."""

    sides: Sequence[Side]
    metric: str
    higher_is_better: bool
    target: float | None
    why_target: str
    settings: Mapping[str, Sequence[str]]
    """What differs: each setting's value, or values, on every side."""
    frame: pd.DataFrame
    """The rows of the sides' frames, with ``side``; of sweeps, those of the arms in common, each with one name."""
    curves: pd.DataFrame
    contrasts: Sequence[Contrast]
    """Against the first side, paired by seed; of sweeps, within each arm in common."""
    unpaired: Sequence[Unpaired]
    effects: Mapping[str, Effects]
    """Of sweeps, by side: what each of their factors does."""
    notes: Sequence[str]
    """What limits all of this, a sentence each."""

    @property
    def of_sweeps(self) -> bool:
        """Whether sweeps are compared."""
        return self.sides[0].is_sweep

    @property
    def arms(self) -> list[str]:
        """Of sweeps: the arms that the first side and another have."""
        return list(dict.fromkeys(self.frame["arm"])) if self.of_sweeps else []


def compare(sides: Sequence[Side], target: float | None = None) -> Comparison:
    """Compare the sides; raise ``ConfigError`` where they have nothing in common that could be."""
    metric, higher_is_better = _judge(sides)
    merged = Sweep("", sides[0].sweep.folder, [record for side in sides for record in side.sweep.records], [])
    target, why = _target(sides, merged, target)
    settings = _differences(sides)
    notes = [*(sentence for side in sides for sentence in side.problems), *_cautions(sides, settings)]
    everything = merged.frame()
    metrics = merged.metrics(everything)
    groups, twice = _groups(sides)
    notes += twice
    effects: dict[str, Effects] = {}
    if sides[0].is_sweep:
        effects = {side.letter: _effects(side, target, metrics) for side in sides}
        _refuse_strangers(sides, groups, effects)
        if not groups:
            notes.append("The sweeps have no arm in common: only the effects of their factors stand side by side.")
    frame, curves = everything.iloc[:0].assign(side=""), merged.curves().iloc[:0].assign(side="")
    if groups:
        aim = AUTO if target is None else target
        parts = [(one, Sweep("", one.side.sweep.folder, one.records, [], aim)) for one in groups]
        frame, curves = (
            pd.concat([_of(one, table(part)) for one, part in parts]) for table in (Sweep.frame, Sweep.curves)
        )
    frame, curves = frame.reset_index(drop=True), curves.reset_index(drop=True)
    if frame["budget"].nunique() > 1:
        metrics = [one for one in metrics if one.column != "area"]
        budgets = sorted({int(steps) for steps in frame["budget"].dropna()})
        notes.append(
            f"The runs had unequal budgets ({' and '.join(map(str, budgets))} steps): steps to target are compared "
            "within the least of them; the mean validation loss, which is one over the whole budget, is not compared."
        )
    contrasts: list[Contrast] = []
    apart: list[Unpaired] = []
    if groups and metrics and not ("data" in settings and not sides[0].is_sweep):
        contrasts, apart, told = contrast_sides(frame, metrics, "arm" if sides[0].is_sweep else None)
        notes += told
    return Comparison(
        sides, metric, higher_is_better, target, why, settings, frame, curves, contrasts, apart, effects, notes
    )


def _judge(sides: Sequence[Side]) -> tuple[str, bool]:
    """Return what all are judged by; raise ``ConfigError`` where they are judged by different metrics."""
    judges: dict[tuple[str, bool], Side] = {}
    for side in sides:
        for record in side.done:
            judges.setdefault((record.facts.metric, record.facts.higher_is_better), side)
    if not judges:
        raise ConfigError("compare: none of these runs has ended with a result yet. python -m ablate runs lists them.")
    if len(judges) > 1:
        told = ", ".join(f"{side.given} by {metric}" for (metric, _), side in judges.items())
        raise ConfigError(f"compare: these are judged by different metrics, which cannot be compared: {told}.")
    return next(iter(judges))


def _target(sides: Sequence[Side], merged: Sweep, given: float | None) -> tuple[float | None, str]:
    """Return the one target for all sides, and where it comes from."""
    if given is not None:
        return given, "as given"
    if (whole := _whole(merged.records)) is not None:
        found = whole.target()
        return found.value, f"that of {whole.name}: {found.why}"
    own = {side.sweep.facts.target for side in sides}
    if len(own) == 1 and not isinstance(value := own.pop(), str):
        return value, "as given to each"
    found = merged.target()
    return found.value, found.why


def _whole(records: Sequence[Record]) -> Sweep | None:
    """Return the one sweep that all the records are from; None where there is none, or it is not in its place."""
    homes = {record.folder.resolve().parents[1] for record in records}
    home = homes.pop()
    if homes:
        return None
    if (home / "sweep.json").is_file():
        return open_sweep(home)
    arms = {path.parents[1] for path in home.glob("*/seed=*/record.json")}
    there = [record for arm in sorted(arms) for record in find(arm)[0]]
    own = {record.folder.resolve() for record in records} <= {record.folder for record in there}
    return Sweep(home.name, home, there, []) if own else None


def _effects(side: Side, target: float | None, metrics: Sequence[Metric]) -> Effects:
    """Return the effects within a sweep at the target of all, on those of the metrics that it has measured."""
    sweep = side.sweep
    labels = {record.facts.arm_hash: sweep.label(record) for record in sweep.records}
    aim = AUTO if target is None else target
    aimed = Sweep(sweep.name, sweep.folder, sweep.records, sweep.factors, aim, labels, facts=sweep.facts)
    own = {one.column for one in aimed.metrics()}
    return aimed.effects([one for one in metrics if one.column in own])


def _groups(sides: Sequence[Side]) -> tuple[list[Group], list[str]]:
    """Return the runs that are compared: all of an arm; of sweeps, those of each arm that the first side and another
    have, which is one with the same settings. What is there twice, with options of two versions, is left out and told.
    """
    if not sides[0].is_sweep:
        return [Group(side, "", side.sweep.records) for side in sides], []
    arms: dict[str, dict[str, Group]] = {}
    hashes: dict[tuple[str, str], set[str]] = {}
    for side in sides:
        for record in side.sweep.records:
            identity = json.dumps(record.facts.settings, sort_keys=True, default=str)
            group = arms.setdefault(identity, {}).setdefault(side.letter, Group(side, side.sweep.label(record), []))
            group.records.append(record)
            hashes.setdefault((side.letter, identity), set()).add(record.facts.arm_hash)
    shared = {key: own for key, own in arms.items() if len(own) > 1 and sides[0].letter in own}
    found: list[Group] = []
    notes = []
    for identity, own in shared.items():
        name = own[sides[0].letter].common
        if twice := [letter for letter in own if len(hashes[letter, identity]) > 1]:
            notes.append(f"{name} is in {twice[0]} twice, with options of different versions: left out. Name the arms.")
            continue
        found += [Group(one.side, name, one.records) for one in own.values()]
    return found, notes


def _of(group: Group, table: pd.DataFrame) -> pd.DataFrame:
    """Return a frame, or curves, of the group's runs with its side and arm."""
    arm = {"arm": group.common} if group.common else {}
    return table.assign(side=group.side.letter, **arm)


def _refuse_strangers(sides: Sequence[Side], groups: Sequence[Group], effects: Mapping[str, Effects]) -> None:
    if groups or any(len(told) > 1 for told in side_by_side(effects).values()):
        return
    factors = "; ".join(f"{side.given} varies {', '.join(side.sweep.factors) or 'nothing'}" for side in sides)
    raise ConfigError(
        f"compare: these sweeps have no arm and no effect in common, so that there is nothing to compare: {factors}. "
        "Name arms of theirs instead: `python -m ablate runs` lists them."
    )


def side_by_side(effects: Mapping[str, Effects]) -> dict[tuple[str, str, str, str], dict[str, Contrast]]:
    """Return the effects of several sweeps by what they are effects of (factor, level, baseline and column of the
    metric), and by side.
    """
    found: dict[tuple[str, str, str, str], dict[str, Contrast]] = {}
    for letter, own in effects.items():
        for one in own.contrasts:
            key = one.factor, label(one.level), label(one.baseline), one.metric.column
            found.setdefault(key, {})[letter] = one
    return found


def _differences(sides: Sequence[Side]) -> dict[str, list[str]]:
    """Return what is not the same on all sides, as on the command line: settings, seeds, versions."""
    told: dict[str, list[str]] = {}
    keys = dict.fromkeys(key for side in sides for record in side.sweep.records for key in record.facts.settings)
    for key in keys:
        told[key] = [_listed(record.facts.settings.get(key) for record in side.sweep.records) for side in sides]
    told["seed"] = [_listed(side.seeds) for side in sides]
    versions = dict.fromkeys(name for side in sides for record in side.done for name in record.facts.versions)
    for name in versions:
        told[f"{VERSION}{name}"] = [_listed(r.facts.versions.get(name) for r in side.done) for side in sides]
    return {key: values for key, values in told.items() if len(set(values)) > 1}


def _listed(values: Any) -> str:
    texts = dict.fromkeys(NOTHING if is_absent(value) else label(value) for value in values)
    return ", ".join(texts) or NOTHING


def _cautions(sides: Sequence[Side], settings: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what has to be known before anything is compared."""
    notes = [_nothing(side) for side in sides if not side.done]
    arms = not sides[0].is_sweep
    if arms and not set(settings) - {"seed"}:
        notes.append("The settings are the same on all sides: runs of one seed are the same run.")
    if own := [key for key in settings if key == "data" or key.startswith("data.")]:
        notes.append(f"The sides do not have the same data: they differ in {', '.join(own)}.")
        if arms and "data" in own:
            notes.append("So there is no contrast: a difference between data sets is none between techniques.")
    return notes


def _nothing(side: Side) -> str:
    if all(record.status in FAILURES for record in side.sweep.records):
        return f"Every run of {side.letter} failed." if len(side.seeds) > 1 else f"The run of {side.letter} failed."
    return f"{side.letter} has no run with a result yet."
