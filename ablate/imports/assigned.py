"""Found runs with their levels, seeds and curves: what a record needs to be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ablate.analysis.measure import as_metric
from ablate.analysis.table import label
from ablate.errors import ConfigError, did_you_mean
from ablate.imports.curves import renamed
from ablate.imports.found import Found
from ablate.imports.mapping import NAME, ORDER, Mapping, Pick
from ablate.results import COLUMNS

_SEEDS = 2**32
_SHARES = ("acc", "accuracy", "miou", "iou", "f1", "auroc", "r2", "loss")
"""What is taken for the metric, the first that there is."""
_LISTED = 12


@dataclass
class Assigned:
    """A run whose place in a sweep is known."""

    found: Found
    levels: dict[str, Any]
    seed: int
    rows: list[dict[str, float]]
    """The curves by their new names, in the order of steps."""


@dataclass
class Assignment:
    """All of them, and what was decided on the way."""

    runs: list[Assigned]
    factors: list[str]
    metric: str
    higher_is_better: bool
    renamed: dict[str, str] = field(default_factory=dict)
    """The curves whose names changed."""
    notes: list[str] = field(default_factory=list)
    """What a reader has to know, a sentence each."""


def assign(found: Sequence[Found], mapping: Mapping) -> Assignment:
    """Return the runs with their levels and seeds; raise ``ConfigError`` where it is not clear what they are."""
    names = renamed({name for run in found for name in run.curves}, mapping.curves)
    if absent := [name for name in mapping.curves.values() if name not in names]:
        raise ConfigError(
            f"--curve …={absent[0]}: no run has a curve of this name.{did_you_mean(absent[0], names)} "
            f"Curves: {_listed(sorted(names))}."
        )
    metric, higher = _judge(found, names, mapping)
    runs = [run for run in found if any(names.get(name) == metric for name in run.curves)]
    if not runs:
        raise ConfigError(f"--metric {metric}: no run has it. Curves: {_listed(sorted(set(names.values())))}.")
    notes = []
    if left := len(found) - len(runs):
        notes.append(f"{left} of {len(found)} runs logged no {metric} and are left out")
    factors = _factors(runs, mapping)
    seeds = _seeds(runs, mapping, factors)
    levels = [{name: pick.of(run) for name, pick in factors.items()} for run in runs]
    for name in factors:
        values = {label(of[name]) for of in levels if of[name] is not None}
        if not values:
            raise ConfigError(
                f"--factor {name}={factors[name].source}: no run has it. Parameters: {_listed(_varying(runs))}."
            )
    if mapping.seed == ORDER:
        notes.append("the runs have no seeds: those of an arm are numbered in the order of their paths")
    _refuse_twins(runs, levels, seeds)
    made = [Assigned(run, of, seed, _rows(run, names)) for run, of, seed in zip(runs, levels, seeds, strict=True)]
    changed = {old: new for old, new in names.items() if old != new}
    return Assignment(made, list(factors), metric, higher, changed, notes)


def _judge(found: Sequence[Found], names: dict[str, str], mapping: Mapping) -> tuple[str, bool]:
    there = sorted({*names.values()})
    if not there:
        raise ConfigError("import: these runs have logged no numbers over steps, so that there is nothing to compare.")
    metric = mapping.metric
    if metric is not None:
        metric = metric if metric in there else names.get(metric, metric)
        if metric not in there:
            raise ConfigError(
                f"--metric {metric}: no run has it.{did_you_mean(metric, there)} Curves: {_listed(there)}."
            )
        if metric.startswith("test/"):
            raise ConfigError(
                f"--metric {metric}: runs are judged by how they go, and a test is its last value alone. Where it is a "
                f"curve, say so: --curve val/{metric.removeprefix('test/')}={metric}."
            )
    else:
        count = {name: sum(any(names.get(own) == name for own in run.curves) for run in found) for name in there}
        known = [name for kind in _SHARES for name in there if name.startswith("val/") and _last(name) == kind]
        if not known:
            raise ConfigError(
                f"What are the runs judged by? Name a curve of theirs: --metric NAME. Curves: {_listed(there)}."
            )
        metric = max(known, key=lambda name: count[name])  # the first of those that most runs have
    if mapping.mode is not None:
        return metric, mapping.mode == "max"
    try:
        return metric, as_metric(metric).higher_is_better
    except ValueError as error:
        raise ConfigError(
            f"Whether more of {metric} is better, its name does not say: add --mode max or min."
        ) from error


def _last(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _factors(runs: Sequence[Found], mapping: Mapping) -> dict[str, Pick]:
    """Return the factors that were named; else what was typed and varies, else what varies from run to run."""
    if mapping.factors:
        chosen = {name: Pick(source) for name, source in mapping.factors.items()}
    else:
        varying = [name for name in _varying(runs) if name not in {mapping.seed, *_seed_names(runs)}]
        typed = [name for name in varying if any(name in run.typed for run in runs)]
        repeated = [name for name in varying if len({_text(run, name) for run in runs}) < len(runs)]
        chosen = {name: Pick(name) for name in typed or repeated or varying}
        if not chosen:
            raise ConfigError(
                "What differs between the runs? No parameter does that was found beside them: name where a factor's "
                "level stands in their paths, --factor 'norm=norm_{}', for one. The first runs: "
                f"{_listed([run.place for run in runs])}."
            )
    for name, pick in chosen.items():
        taken = name in {"arm", *COLUMNS}
        if taken or not NAME.fullmatch(name):
            why = "a report calls something else so" if taken else "a factor is called by letters, digits and . _ / @ -"
            raise ConfigError(f"--factor {name}: {why}. Give it another name, --factor NAME={pick.source}.")
    return chosen


def _varying(runs: Sequence[Found]) -> list[str]:
    """Return the parameters that are not the same in all runs."""
    names = dict.fromkeys(name for run in runs for name in run.parameters)
    return [name for name in names if len({_text(run, name) for run in runs}) > 1]


def _text(run: Found, name: str) -> str:
    return repr(run.parameters.get(name))


def _seed_names(runs: Sequence[Found]) -> list[str]:
    """Return the parameters that are called seed, the shortest name first."""
    names = {name for run in runs for name in run.parameters if name.rpartition(".")[2].lower() in ("seed", "rng_seed")}
    return sorted(names, key=lambda name: (len(name), name))


def _seeds(runs: Sequence[Found], mapping: Mapping, factors: dict[str, Pick]) -> list[int]:
    if mapping.seed == ORDER:
        count: dict[str, int] = {}
        seeds = []
        for run in runs:
            arm = repr([pick.of(run) for pick in factors.values()])
            seeds.append(count.get(arm, 0))
            count[arm] = seeds[-1] + 1
        return seeds
    source = mapping.seed or next(iter(_seed_names(runs)), None)
    if source is None:
        raise ConfigError(
            "Which seed a run had is not found: say where it stands, --seed PARAMETER or --seed 'seed_{}' in the path; "
            f"--seed order numbers the runs of an arm. Parameters: {_listed(_varying(runs))}."
        )
    return [_seed(run, Pick(source)) for run in runs]


def _seed(run: Found, pick: Pick) -> int:
    try:
        seed = int(str(pick.of(run)))
    except ValueError:
        seed = -1
    if not 0 <= seed < _SEEDS:
        raise ConfigError(
            f"--seed {pick.source}: the seed of {run.place} is {pick.of(run)!r}, and has to be a whole number from 0 "
            "to 4294967295."
        )
    return seed


def _refuse_twins(runs: Sequence[Found], levels: Sequence[dict[str, Any]], seeds: Sequence[int]) -> None:
    known: dict[str, Found] = {}
    for run, of, seed in zip(runs, levels, seeds, strict=True):
        told = ", ".join([*(f"{name}={label(level)}" for name, level in of.items()), f"seed={seed}"])
        other = known.setdefault(told, run)
        if other is not run:
            raise ConfigError(
                f"Two runs have {told}: {other.place} and {run.place}. Name what tells them apart, --factor NAME=FROM, "
                "or a folder that holds one of them."
            )


def _rows(run: Found, names: dict[str, str]) -> list[dict[str, float]]:
    return [
        {"step": step} | {names[name]: value for name, value in row.items() if name in names}
        for step, row in sorted(run.rows.items())
    ]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_LISTED]) or "none"
    return shown + (", …" if len(names) > _LISTED else "")
