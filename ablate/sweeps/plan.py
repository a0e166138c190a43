"""The plan of a sweep: every run's configuration, checked before anything trains."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_loader import ConfigLoader

from ablate import composition, overrides, transfer
from ablate.atomic import check_writable
from ablate.config import Config, to_config
from ablate.errors import ConfigError
from ablate.metrics import JUDGES
from ablate.overrides import Setting
from ablate.record import Record, open_record
from ablate.results import Sweep
from ablate.sweeps.designs.factor import Arm, Factor
from ablate.sweeps.designs.full import full
from ablate.sweeps.idle import Prober, refuse_idle_factors, refuse_idle_settings
from ablate.training.run import check_machine, machine


@dataclass(frozen=True)
class PlannedRun:
    """One run, and the overrides that compose it."""

    config: Config
    arguments: tuple[str, ...]

    def record(self) -> Record:
        """Return its record as it is on disk now."""
        return open_record(self.config)


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep, arm by arm; a single run is a sweep of one."""

    factors: tuple[Factor, ...]
    seeds: tuple[int, ...]
    runs: tuple[PlannedRun, ...]
    warnings: tuple[str, ...]
    transfers: tuple[str, ...]
    """What the arms take over from earlier runs, in words."""

    @property
    def first(self) -> Config:
        """The configuration of the first run: name, output folder and target are the same in all."""
        return self.runs[0].config

    @property
    def folder(self) -> Path:
        """Where the records are."""
        return Path(self.first.output_dir) / self.first.folder_name

    def missing(self) -> list[PlannedRun]:
        """Return the runs that are not done; raise ``RecordError`` where there is no place for them."""
        check_writable(self.folder)
        return [planned for planned in self.runs if not planned.record().is_done]

    def results(self) -> Sweep:
        """Return what the runs left on disk."""
        name = self.first.folder_name
        records = [planned.record() for planned in self.runs]
        labels = {planned.config.arm_hash: planned.config.label or "" for planned in self.runs}
        factors = [factor.key for factor in self.factors]
        return Sweep(name, self.folder, records, factors, self.first.target, labels, self.first.cost)


def make_plan(arguments: Sequence[str], loader: ConfigLoader, *, sweep: bool) -> Plan:
    """Turn command-line settings into runs.

    Raises ``ConfigError`` for a setting that is unknown or wrong, and for one that changes nothing in the
    networks it is meant for.
    """
    settings = overrides.parse(arguments, loader)
    defaults = composition.defaults()
    warnings = overrides.check(settings, sweep=sweep, defaults=defaults, presets=composition.presets(loader))
    settings = list({s.key: s for s in settings}.values())  # of a key given twice the last counts
    factors = tuple(Factor(s.key, s.levels) for s in settings if s.swept and s.key != "seed")
    fixed = [s for s in settings if not s.swept and s.key != "seed"]
    prefixes = {s.key: s.prefix for s in settings}
    seeds = _seeds(settings)

    def texts(arm: Arm, said: Sequence[Setting]) -> tuple[str, ...]:
        return (*(s.text for s in said), *(f"{prefixes[key]}{key}={level}" for key, level in arm.items()))

    def compose(arm: Arm, said: Sequence[Setting]) -> Config:
        config = to_config(composition.load(loader, texts(arm, said)))
        config.label = composition.label_of(config, settings, arm)
        if seeds:
            config.seed = seeds[0]  # the guards look at a network that is going to be trained
        return config

    def without(arm: Arm, setting: Setting) -> Config:
        # its parameters go with it, swept or not: the option in its place does not have them
        own = (f"{setting.key}.", "init_head") if setting.key == "init_from" else f"{setting.key}."
        rest = {key: level for key, level in arm.items() if not key.startswith(own)}
        return compose(rest, [s for s in fixed if s is not setting and not s.key.startswith(own)])

    arms = [(arm, compose(arm, fixed)) for arm in full(factors)]
    name = _folder_name([config for _, config in arms])
    _refuse_mixed_metrics([config for _, config in arms])
    for config in {str(machine(config.trainer)): config for _, config in arms}.values():
        check_machine(config)
    seeds = seeds or (arms[0][1].seed,)
    for (_, config), seed in itertools.product(arms, seeds):
        warnings += transfer.check(dataclasses.replace(config, seed=seed))
    prober = Prober()
    for _, config in arms:
        prober.check(config)
    refuse_idle_factors(arms, factors, prober)
    refuse_idle_settings(arms, fixed, without, prober)
    runs = []
    for (arm, config), seed in itertools.product(arms, seeds):
        own = dataclasses.replace(config, seed=seed, name=config.name or name)
        identity = (f"seed={seed}", f"name={_quoted(own.folder_name)}", f"label={_quoted(own.label or '')}")
        runs.append(PlannedRun(own, (*texts(arm, fixed), *identity)))
    said = dict.fromkeys(text for _, config in arms if (text := prober.transfer(config)))
    return Plan(factors, seeds, tuple(runs), tuple(dict.fromkeys(warnings)), tuple(said))


def _seeds(settings: Sequence[Setting]) -> tuple[int, ...]:
    levels = next((s.levels for s in settings if s.key == "seed"), ())
    if wrong := [level for level in levels if not (level.isdecimal() and int(level) < 2**32)]:
        raise ConfigError(
            f"seed={wrong[0]}: seed must be a whole number from 0 to 4294967295. "
            'For ten seeds write "seed=range(0,10)".'
        )
    return tuple(int(level) for level in levels)


def _folder_name(configs: Sequence[Config]) -> str:
    """Name the folder after what all arms share of data and model."""
    levels = {kind: {config.choices()[kind] for config in configs} for kind in ("data", "model")}
    return "-".join(names.pop() for names in levels.values() if len(names) == 1) or "sweep"


def _refuse_mixed_metrics(configs: Sequence[Config]) -> None:
    """Raise ``ConfigError`` for arms that no table can compare: an accuracy is neither more nor less than an R²."""
    by_metric = {JUDGES[config.task].metric: config.choices() for config in configs}
    if len(by_metric) > 1:
        judged = " and ".join(
            f"model={choices['model']} on data={choices['data']} by val/{metric}"
            for metric, choices in by_metric.items()
        )
        raise ConfigError(f"These arms cannot be compared: {judged}. Sweep them apart.")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
