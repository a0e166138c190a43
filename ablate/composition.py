"""Composing a run's configuration with Hydra: options from plugins, defaults from ``conf/config.yaml``."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from hydra import initialize_config_module
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ablate import override_checks, overrides
from ablate.config import Config, to_config
from ablate.errors import ConfigError
from ablate.overrides import Setting
from ablate.registry import registry
from ablate.techniques import KINDS

CONFIG_MODULE = "ablate_conf"
CONFIG_NAME = "config"
SWEEPER = "hydra_plugins.ablate.AblateSweeper"
OPTUNA = {
    "_target_": "hydra_plugins.ablate.OptunaSweeper",
    "n_trials": 20,
    "storage": None,
    "sampler": "tpe",
    "pruner": "median",
    "seed": 0,
}
LAUNCHER = "hydra_plugins.ablate.LocalLauncher"
RAY = {"_target_": "hydra_plugins.ablate.RayLauncher", "address": None, "max_retries": 3}


def install() -> None:
    """Make every option and the schema known to Hydra. Call before anything composes."""
    store = ConfigStore.instance()
    store.store(name="ablate_schema", node=Config, provider="ablate")
    store.store(group="hydra/sweeper", name="ablate", node={"_target_": SWEEPER}, provider="ablate")
    store.store(group="hydra/sweeper", name="optuna", node=OPTUNA, provider="ablate")
    store.store(group="hydra/launcher", name="local", node={"_target_": LAUNCHER}, provider="ablate")
    store.store(group="hydra/launcher", name="ray", node=RAY, provider="ablate")
    registry().install()


@contextmanager
def config_loader() -> Iterator[ConfigLoader]:
    """Give Hydra's config loader over ``conf/`` and the plugins; works inside another Hydra application too."""
    install()
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_module(CONFIG_MODULE, job_name="ablate", version_base="1.3"):
            yield GlobalHydra.instance().config_loader()
    finally:
        GlobalHydra.instance().hydra = outer


def compose(arguments: Sequence[str] = ()) -> Config:
    """Return the configuration of one run, from overrides as on the command line.

    ``compose(["norm=bn", "opt.lr=0.01"])`` is that of ``python -m ablate norm=bn opt.lr=0.01``.

    Raises ``ConfigError``, naming the valid choices, for anything unknown or out of range.
    """
    if isinstance(arguments, str):
        raise ConfigError(f'compose takes a list: compose(["{arguments}"]).')
    if warning := registry().warning():
        warnings.warn(warning, stacklevel=2)
    with config_loader() as loader:
        settings = overrides.parse(arguments, loader)
        if wrong := [setting.text for setting in settings if setting.key in overrides.OF_SWEEP]:
            raise ConfigError(f"{wrong[0]}: this belongs to a sweep, and so to ablate.sweep or the command line.")
        for warning in override_checks.check(settings, sweep=False, defaults=defaults(), presets=presets(loader)):
            warnings.warn(warning, stacklevel=2)
        config = to_config(load(loader, overrides.quoted(arguments)))
    config.label = label_of(config, settings, {})
    return config


def label_of(config: Config, settings: Sequence[Setting], values: Mapping[str, str]) -> str:
    """Return the arm's label: as given, or what was said about it; ``values`` holds its levels of swept factors.

    A source is named by its hash, whatever folder was given.
    """
    if config.label:
        return config.label
    if (source := config.source) is not None:
        values = {**values, "init_from": source.reference}
    elif "init_head" in values:  # scratch: nothing comes from the source
        settings = [s for s in settings if s.swept or s.key != "init_from"]
    return overrides.label(settings, values, defaults_beside(config.choices()["model"]))


def load(loader: ConfigLoader, arguments: Sequence[str]) -> DictConfig:
    """Compose a config tree, with Hydra's errors as one sentence."""
    try:
        return loader.load_configuration(CONFIG_NAME, list(arguments), run_mode=RunMode.RUN)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigError(explain(error)) from error


def defaults_beside(model: str) -> dict[str, str]:
    """Return the option of each kind when nothing is said but the model."""
    return defaults() | registry().defaults(model)


@functools.cache
def defaults() -> dict[str, str]:
    """Return the option of each kind when nothing is said."""
    with config_loader() as loader:
        choices = load(loader, ()).hydra.runtime.choices
    return {kind: str(choices[kind]) for kind in KINDS}


def presets(loader: ConfigLoader) -> frozenset[str]:
    """Return the config groups that are YAML files rather than plugins, such as ``experiment`` in ``+experiment=x``."""
    sources = loader.get_sources()  # the loader's own list of groups would first copy every configuration there is
    groups = {group for source in sources if source.is_group("") for group in source.list("", ObjectType.GROUP)}
    return frozenset(groups - KINDS.keys() - {"hydra", "study"})  # a study is a setting of the whole sweep


def explain(error: BaseException) -> str:
    """Return the sentence that matters from a Hydra or OmegaConf error: what was wrong, and where."""
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    if isinstance(cause, OmegaConfBaseException):
        text = str(cause.msg or cause).splitlines()[0].rstrip(".")
        return f"{cause.full_key}: {text}." if cause.full_key else f"{text}."
    return " ".join(str(error).partition("Config search path")[0].split())
