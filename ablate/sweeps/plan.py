"""The plan of a sweep: its arms, checked before anything trains."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_loader import ConfigLoader

from ablate import composition, override_checks, overrides, transfer
from ablate.config import Config
from ablate.designs.factor import Factor
from ablate.engines.planned import PlannedRun
from ablate.errors import ConfigError
from ablate.judges import JUDGES, RANGES
from ablate.overrides import Setting
from ablate.studies.arguments import expanded
from ablate.studies.catalogue import study
from ablate.studies.definition import Study
from ablate.sweep_facts import SweepFacts
from ablate.sweep_settings import SweepSettings
from ablate.sweeps.arms import Composer, PlannedArm
from ablate.sweeps.arranged import Arranged, arranged
from ablate.sweeps.calibration import Calibration, calibration_of
from ablate.sweeps.idle import Prober, refuse_idle_factors, refuse_idle_settings
from ablate.sweeps.tuning import TUNING_SEEDS, Tuning, tuning_of
from ablate.training.machine import check_machine, check_shares, machine


@dataclass(frozen=True)
class Plan:
    """What a sweep is to train; a single run is a sweep of one.

    The runs that follow from it are those of :class:`ablate.sweeps.rounds.Rounds`: a path and tuning decide on them
    as they go.
    """

    factors: tuple[Factor, ...]
    seeds: tuple[int, ...]
    arms: tuple[PlannedArm, ...]
    """Those known before anything trains: all but a path's."""
    arrangement: Arranged
    tuning: Tuning | None
    calibration: Calibration
    composer: Composer
    settings: SweepSettings
    warnings: tuple[str, ...]
    changes: tuple[str, ...]
    """What is done to the arms' networks before training: what they take over, what was replaced; in words."""
    data: tuple[str, ...]
    """What the data is that comes from outside, in words."""

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.arms[0].config.folder_name

    @property
    def folder(self) -> Path:
        """Where the records are."""
        return Path(self.arms[0].config.output_dir) / self.name

    @property
    def replaced(self) -> tuple[str, ...]:
        """A warning where another sweep in the folder, of more arms, has a report that this one takes the place of."""
        before = SweepFacts.load(self.folder)
        ours = {factor.key: list(factor.levels) for factor in self.factors}
        if (
            before is None
            or self.settings.study
            or not ours
            or ours == before.factors
            or len(before.arms) <= len(self.arms)
        ):
            return ()
        return (
            f"the report of {self.name} was of {len(before.arms)} arms and is of {len(self.arms)} from now on; its "
            "runs stay. The same command as then brings it back, and name=another here keeps both.",
        )

    @property
    def runs(self) -> list[PlannedRun]:
        """The runs of all arms that are known, before tuning."""
        return [arm.run(seed) for arm in self.arms for seed in self.seeds]

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value of the metric that all arms are judged by is better."""
        return JUDGES[self.arms[0].config.task].higher_is_better


def make_plan(arguments: Sequence[str], loader: ConfigLoader, *, sweep: bool, typed: str | None = None) -> Plan:
    """Turn command-line settings into arms; ``typed`` is the command for the records.

    Raises ``ConfigError`` for a setting that is unknown or wrong, and for one that changes nothing in the
    networks it is meant for.
    """
    parsed = overrides.parse(expanded(arguments), loader)
    presets = composition.presets(loader)
    warnings = override_checks.check(parsed, sweep=sweep, defaults=composition.defaults(), presets=presets)
    parsed = list({s.key: s for s in parsed}.values())  # of a key given twice the last counts
    of_sweep = overrides.sweep_settings(parsed)
    settings = [s for s in parsed if s.key not in overrides.OF_SWEEP]
    if not sweep and (wrong := [s.text for s in parsed if s.key in ("design", "tune", "calibration")]):
        raise ConfigError(f"{wrong[0]}: a single run has one arm. Add -m, or drop it.")
    _check_seeds(settings)
    tuned = override_checks.full_keys(of_sweep.tune)
    composer = Composer(settings, loader, tuned=tuned, presets=presets, typed=typed)
    if of_sweep.study:
        _check_factors(study(of_sweep.study), [factor.key for factor in composer.factors])
    arrangement = arranged(composer.factors, of_sweep)
    levels = list({frozenset(own.items()): own for arm in arrangement.arms if (own := composer.meaning(arm))}.values())
    levels = levels or [{}]
    name = _folder_name([composer.config(arm) for arm in levels])
    arms = tuple(composer.plan(arm, name=name) for arm in levels)
    seeds = composer.seeds or (arms[0].config.seed,)
    configs = [arm.config for arm in arms]
    _refuse_mixed_metrics(configs)
    _check_target(of_sweep.target, JUDGES[configs[0].task].metric)
    for config in configs:
        check_shares(config)
    for config in {str(machine(config.trainer)): config for config in configs}.values():
        check_machine(config)
    for config, seed in itertools.product(configs, seeds):
        warnings += transfer.check(dataclasses.replace(config, seed=seed))
    prober = Prober()
    for config in configs:
        prober.check(config)
    if not (of_sweep.study and study(of_sweep.study).arms):  # whose settings vary together, not one by one
        refuse_idle_factors(arms, composer, prober)
    refuse_idle_settings(arms, composer, prober)
    told, doubts = prober.data(configs)
    tuning = tuning_of(tuned, settings, of_sweep.tune_seeds or TUNING_SEEDS, arms, composer)
    baseline = next(arm for arm in arms if arm.levels == composer.meaning(arrangement.baseline))
    said = dict.fromkeys(text for arm in arms for text in prober.changed(arm.config, _called(arm)))
    return Plan(
        factors=composer.factors,
        seeds=seeds,
        arms=arms,
        arrangement=arrangement,
        tuning=tuning,
        calibration=calibration_of(of_sweep, baseline, seeds),
        composer=composer,
        settings=of_sweep,
        warnings=tuple(dict.fromkeys([*warnings, *doubts])),
        changes=tuple(said),
        data=told,
    )


def _called(arm: PlannedArm) -> str:
    """Name an arm by its levels; the only one by what was said."""
    return ",".join(f"{key}={level}" for key, level in arm.levels.items()) or arm.config.label or "default"


def _check_factors(one: Study, factors: Sequence[str]) -> None:
    """Refuse a factor of which the study, which compares one thing, would not know what to make."""
    own = {*one.vary, *(key for arm in one.arms.values() for key in arm)}
    if foreign := [factor for factor in factors if factor not in own]:
        raise ConfigError(
            f"study={one.name}: {foreign[0]} is varied, which the study neither compares nor has as its condition. "
            "Give it one level, or run the sweep that the study stands for: "
            f"python -m ablate studies {one.name} says which."
        )


def _check_seeds(settings: Sequence[Setting]) -> None:
    levels = next((s.levels for s in settings if s.key == "seed"), ())
    if wrong := [level for level in levels if not (level.isdecimal() and int(level) < 2**32)]:
        raise ConfigError(
            f"seed={wrong[0]}: seed must be a whole number from 0 to 4294967295. "
            'For ten seeds write "seed=range(0,10)".'
        )


def _check_target(target: float | str, metric: str) -> None:
    """Raise ``ConfigError`` for a target that no run can reach, or that every run has reached before its first step."""
    if isinstance(target, str) or metric not in RANGES:
        return
    low, high = RANGES[metric]
    if low <= target <= high:
        return
    span = (
        f"at most {high:g}" if low == -math.inf else f"at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"
    )
    meant = f" Did you mean {target / 100:g}?" if high < target <= 100 * high else ""
    raise ConfigError(f"target={target:g}: val/{metric} is {span}.{meant}")


def _folder_name(configs: Sequence[Config]) -> str:
    """Name the folder after what all arms share of data and model."""
    levels = [{config.data_name for config in configs}, {config.choices()["model"] for config in configs}]
    return "-".join(names.pop() for names in levels if len(names) == 1) or "sweep"


def _refuse_mixed_metrics(configs: Sequence[Config]) -> None:
    """Raise ``ConfigError`` for arms that no table can compare: an accuracy is neither more nor less than an R²."""
    by_metric = {JUDGES[config.task].metric: config.choices() for config in configs}
    if len(by_metric) > 1:
        judged = " and ".join(
            f"model={choices['model']} on data={choices['data']} by val/{metric}"
            for metric, choices in by_metric.items()
        )
        raise ConfigError(f"These arms cannot be compared: {judged}. Sweep them apart.")
