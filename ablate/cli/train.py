"""Runs and sweeps from the command line, through ``@hydra.main``."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import hydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ablate import composition
from ablate.cli.settings import CommandLine
from ablate.engines.inline import InlineEngine
from ablate.errors import ConfigError
from ablate.record import Status
from ablate.registry import registry
from ablate.studies.catalogue import study
from ablate.sweeps.execute import train_source
from ablate.sweeps.launchers import LocalLauncher
from ablate.sweeps.plan import make_plan
from ablate.sweeps.ray_launcher import RayLauncher
from ablate.sweeps.search import OptunaSweeper
from ablate.sweeps.sweeper import AblateSweeper, Request


def train(command: CommandLine) -> int:
    """Train a run or, with ``-m``, a sweep, and print the results; return 1 if a run did not finish."""
    composition.install()
    for plugin in (AblateSweeper, OptunaSweeper, LocalLauncher, RayLauncher):
        Plugins.instance().register(plugin)
    if (warning := registry().warning()) and not command.answered:
        print(f"ablate: warning: {warning}", file=sys.stderr)
    request = Request(command.settings, shlex.join(["python", "-m", "ablate", *command.arguments]))
    train_source(command.settings)
    _through_hydra(request, command)
    results = request.results
    if results is None:  # Hydra answered by itself, or the plan was all that was asked for
        return 0
    from ablate.report.terminal import print_sweep  # here: by now it is imported, by whoever waited for the workers

    print_sweep(results)
    if results.facts.study:
        from ablate.cli.testing import conclude  # here, as figures take a second to import

        conclude(study(results.facts.study), results, command.settings, results.folder.parent)
    elif results.factors:
        print(f"Report:      python -m ablate report {results.folder}   (a page, data, TensorBoard)")
    if request.stop.by_signal:
        raise KeyboardInterrupt
    return int(any(record.status is not Status.finished for record in results.records))


def _through_hydra(request: Request, command: CommandLine) -> None:
    """Let Hydra parse its flags and compose; the results of the run or sweep are in ``request`` afterwards."""
    app = hydra.main(
        version_base="1.3", config_path=f"pkg://{composition.CONFIG_MODULE}", config_name=composition.CONFIG_NAME
    )(request)
    with _hydra_process(command.for_hydra):
        try:
            app()
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(composition.explain(error)) from error
    if request.loader is not None:
        request.carry_out(make_plan(request.settings, request.loader, sweep=False, typed=request.typed), InlineEngine())


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
