"""Runs and sweeps from the command line, through ``@hydra.main``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ablate import composition, overrides
from ablate.errors import ConfigError
from ablate.record import Status
from ablate.report.terminal import print_sweep
from ablate.results import Sweep
from ablate.sweeps.execute import execute, finish
from ablate.sweeps.plan import make_plan
from ablate.sweeps.sweeper import AblateSweeper


def train(arguments: Sequence[str]) -> int:
    """Train a run or, with ``-m``, a sweep, and print the results; return 1 if a run did not finish."""
    flags, settings = _parse(arguments)
    composition.install()
    Plugins.instance().register(AblateSweeper)
    if not flags.shell_completion:
        _check_settings(settings, flags)
    # Hydra's parser knows settings after its flags only, not on both sides of one.
    results = _through_hydra([*(a for a in arguments if a not in settings), *settings])
    if results is None:  # Hydra answered by itself: --cfg, --info, --shell-completion
        return 0
    print_sweep(results)
    return int(any(record.status is not Status.finished for record in results.records))


def _parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Tell Hydra's flags from settings."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("-sc", "--shell-completion", action="store_true")
    parser.add_argument("-cd", "--config-dir")
    parser.add_argument("-cn", "--config-name")
    parser.add_argument("-cp", "--config-path")
    for flag in ("-c", "-p", "-i"):  # --cfg, --package, --info: their values are no settings
        parser.add_argument(flag, {"-c": "--cfg", "-p": "--package", "-i": "--info"}[flag])
    flags, rest = parser.parse_known_args(arguments)
    if any(argument.startswith("hydra/sweeper=") for argument in rest):
        raise ConfigError("hydra/sweeper: the sweeper is ablate's own, which resumes and reports; leave it out.")
    if flags.config_name or flags.config_path:
        raise ConfigError(
            "--config-name and --config-path would replace ablate's own configuration. Put presets as groups of YAML "
            "files into a folder, --config-dir FOLDER, and choose one with +group=name."
        )
    return flags, [argument for argument in rest if not argument.startswith("-")]


def _check_settings(settings: Sequence[str], flags: argparse.Namespace) -> None:
    """Check before Hydra composes: its own errors name neither the choices nor the way out."""
    with composition.config_loader() as loader:
        presets = set(composition.presets(loader))
        parsed = overrides.parse(settings, loader)
    if flags.config_dir and Path(flags.config_dir).is_dir():
        presets |= {entry.name for entry in Path(flags.config_dir).iterdir() if entry.is_dir()}
    overrides.check(parsed, sweep=flags.multirun, defaults=composition.defaults(), presets=presets)


def _through_hydra(arguments: Sequence[str]) -> Sweep | None:
    """Let Hydra parse its flags and compose; return the results of the run or sweep, None where it did neither."""
    asked: list[tuple[list[str], ConfigLoader]] = []

    def single(_: DictConfig) -> None:
        # Only noted here: an error raised inside a job is announced by Hydra first.
        asked.append((list(HydraConfig.get().overrides.task), GlobalHydra.instance().config_loader()))

    AblateSweeper.results = None
    app = hydra.main(
        version_base="1.3", config_path=f"pkg://{composition.CONFIG_MODULE}", config_name=composition.CONFIG_NAME
    )(single)
    with _hydra_process(arguments):
        try:
            app()
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(composition.explain(error)) from error
    if not asked:
        return AblateSweeper.results
    plan = make_plan(*asked[0], sweep=False)
    execute(plan)
    return finish(plan)


@contextmanager
def _hydra_process(arguments: Sequence[str]) -> Iterator[None]:
    """Give Hydra its command line, and have it raise errors rather than print them and exit."""
    argv, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv, os.environ["HYDRA_FULL_ERROR"] = [argv[0], *arguments], "1"
    try:
        yield
    finally:
        sys.argv = argv
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]
