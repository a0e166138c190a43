"""The guard against false ablations: factors and settings that change nothing in the networks they are meant for."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.assembly import objective
from ablate.config import Config, InitHead
from ablate.data_report import examine
from ablate.dataset import Dataset, prepare
from ablate.designs.factor import Arm, Factor
from ablate.errors import ConfigError
from ablate.probe import PROBED, fingerprint
from ablate.sweeps.arms import Composer, PlannedArm


class Prober:
    """Compares configurations by the networks they make; each network is built once."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self._data: dict[str, Dataset] = {}

    def same_network(self, a: Config, b: Config) -> bool:
        """Return whether the two configurations make networks that train alike."""
        return self.digest(a) == self.digest(b)

    def check(self, config: Config) -> None:
        """Raise ``ConfigError`` if the network cannot be built or does not fit its data."""
        self.digest(config)

    def changed(self, config: Config, name: str) -> list[str]:
        """Say what is done to the network of the arm ``name``: what it takes over from an earlier run, what is put in.

        Nothing for a network that is made of the options and starts from scratch.
        """
        if config.source is None and not config.model.foreign and not config.freeze:
            return []
        module, said = objective(config, self._dataset(config)), []
        if module.replaced and module.replaced.rows:
            said.append(f"{name}: {module.replaced}")
        if config.source is not None:
            head = "" if config.init_head is InitHead.keep else f" init_head={config.init_head.name}"
            said.append(f"init_from={config.source.reference}{head}: {module.transfer}")
        if config.freeze:
            weights = {p: p.numel() for p in module.model.parameters()}
            still = sum(count for p, count in weights.items() if not p.requires_grad)
            said.append(f"{name}: {still} of {sum(weights.values())} weights are frozen")
        return said

    def data(self, configs: Sequence[Config]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what is to be said of the data that ``configs`` train on, and what may be wrong with it.

        Raises ``ConfigError`` for data that nothing can be trained on.
        """
        of = {f"{c.choices()['data']} {c.data.content() or c.data}": c for c in reversed(configs)}
        reports = [examine(config, self._dataset(config)) for config in reversed(of.values())]
        told = dict.fromkeys(text for report in reports for text in report.told)
        return tuple(told), tuple(dict.fromkeys(text for report in reports for text in report.doubts))

    def _dataset(self, config: Config) -> Dataset:
        key = f"{config.data}-{config.seed}"
        if key not in self._data:
            self._data[key] = prepare(config.data, config.seed)
        return self._data[key]

    def digest(self, config: Config) -> str:
        """Return what two configurations have in common whose networks train alike."""
        settings = {k: v for k, v in config.flat().items() if k.partition(".")[0] in (*PROBED, "data", "trainer")}
        key = f"{settings}-{config.seed}"
        if key not in self._digests:
            self._digests[key] = fingerprint(config, self._dataset(config))
        return self._digests[key]


def refuse_idle_factors(arms: Sequence[PlannedArm], composer: Composer, prober: Prober) -> None:
    """Raise ``ConfigError`` where two levels of a factor, all else equal, make the same runs."""
    for factor in composer.factors:
        probe = prober if factor.key.partition(".")[0] in PROBED else None
        beside: dict[frozenset[tuple[str, str]], Levels] = {}
        for arm in arms:
            config, level = arm.config, arm.levels.get(factor.key)
            if level is None:  # this arm has no such parameter
                continue
            rest = {key: own for key, own in arm.levels.items() if key != factor.key}
            levels = beside.setdefault(frozenset(rest.items()), Levels(factor, rest, composer, probe))
            earlier, is_said_twice = levels.alike(level)
            if earlier is None:
                continue
            pair = f"{factor.key}={earlier} and {factor.key}={level}"
            if is_said_twice and arm.levels.get("init_head") == "scratch":
                raise ConfigError(
                    f"{pair} make the same run with init_head=scratch, which starts from neither. "
                    "Sweep init_head=scratch with one of them."
                )
            if is_said_twice:
                raise ConfigError(
                    f"{pair} are the same setting{_elsewhere(arm.levels, factor)}, written twice. Drop one of them."
                )
            raise ConfigError(
                f"{_takes_no_part(factor.key, config)}: {pair} make the same runs"
                f"{_elsewhere(arm.levels, factor)}, so that the sweep would compare it with itself. "
                f"{_way_out(factor.key)}"
            )


class Levels:
    """The levels of a factor beside the same ``rest`` of others; each is looked at once, however many there are."""

    def __init__(self, factor: Factor, rest: Arm, composer: Composer, prober: Prober | None) -> None:
        self._factor, self._rest, self._composer, self._prober = factor, rest, composer, prober
        self._runs: dict[str, str] = {}
        """The first level that makes these runs, by their hash."""
        self._networks: dict[str, str] = {}
        """The first level that makes this network, by its digest."""
        self._found: dict[str, tuple[str, str]] = {}

    def alike(self, level: str) -> tuple[str | None, bool]:
        """Return the first earlier level like this one, None where there is none, and whether they are one setting."""
        for each in self._factor.levels[len(self._found) : self._factor.levels.index(level) + 1]:
            config = self._composer.config(self._composer.meaning({**self._rest, self._factor.key: each}))
            runs = self._runs.setdefault(config.arm_hash, each)
            network = self._networks.setdefault(self._prober.digest(config), each) if self._prober else each
            self._found[each] = runs, network
        runs, network = self._found[level]
        first = runs if runs != level else network
        return (None if first == level else first), runs != level


def refuse_idle_settings(arms: Sequence[PlannedArm], composer: Composer, prober: Prober) -> None:
    """Raise ``ConfigError`` for a setting that could be left out of every arm without changing its network."""

    def same(config: Config, other: Config) -> bool:
        try:
            return config.arm_hash != other.arm_hash and prober.same_network(config, other)
        except ConfigError:  # the arms are checked: it is without the setting that nothing can be built
            return False

    for setting in composer.fixed:
        if setting.root not in PROBED or setting.key == "model":
            continue
        having = [arm for arm in arms if composer.applies(setting.key, arm.levels)]
        # A setting that repeats the default claims nothing.
        if all(same(arm.config, composer.without(arm.levels, setting)) for arm in having):
            raise ConfigError(
                f"{_takes_no_part(setting.key, arms[0].config)}: {setting.text} would change nothing. "
                f"{_way_out(setting.key)}"
            )


def _takes_no_part(key: str, config: Config) -> str:
    """Say what does not use the factor: ``model=lstm takes no part in pool``."""
    model = f"model={config.choices()['model']}"
    if key == "loss":
        return f"on data={config.choices()['data']} these losses are one"
    if config.source is not None and key.partition(".")[0] in ("init", "init_head"):
        return f"init_from={config.source.reference} leaves nothing in this {model} to {key}"
    return f"{key} plays no role in this {model}" if key.startswith("model.") else f"{model} takes no part in {key}"


def _elsewhere(arm: Arm, factor: Factor) -> str:
    others = [f"{key}={level}" for key, level in arm.items() if key != factor.key]
    return f" (with {', '.join(others)})" if others else ""


def _way_out(key: str) -> str:
    if key.startswith("model."):
        return "Drop it, or change the setting of the model that makes it idle."
    return "Drop it, or sweep it with models that use it."
