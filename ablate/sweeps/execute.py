"""Carrying out a plan: what is missing is trained by an engine, and what others train is waited for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from ablate.atomic import check_writable
from ablate.composition import config_loader
from ablate.engines.engine import Engine
from ablate.engines.inline import InlineEngine
from ablate.errors import ConfigError
from ablate.record import Status, find
from ablate.registry import registry
from ablate.report.hparams import write_hparams
from ablate.report.progress import Lines
from ablate.report.terminal import announce, introduce
from ablate.results import Sweep
from ablate.stop import Stop, signals_request
from ablate.sweep_settings import SweepSettings
from ablate.sweeps.plan import Plan, make_plan
from ablate.sweeps.rounds import Round, Rounds


def sweep(arguments: Sequence[str] = ()) -> Sweep:
    """Train the runs of a sweep that are not done yet, and return the results of all.

    ``arguments`` are overrides as after ``python -m ablate -m``, without a shell's quoting:
    ``sweep(["norm=bn,none", "seed=range(0,5)"])``. A run that fails is recorded as failed, and the others go on.
    """
    if own := [argument for argument in arguments if argument.startswith("hydra")]:
        raise ConfigError(f"{own[0]}: Hydra's own settings belong to the command line.")
    if warning := registry().warning():
        warnings.warn(warning, stacklevel=2)
    with config_loader() as loader:
        plan = make_plan(arguments, loader, sweep=True)
        return execute(plan, InlineEngine())


def execute(plan: Plan, engine: Engine, stop: Stop | None = None) -> Sweep:
    """Train what is missing of ``plan``, round by round, and return the results of all of it.

    At a request to ``stop``, which Ctrl-C makes too, training leaves checkpoints and the results so far are returned.
    """
    stop = stop or Stop()
    rounds = Rounds(plan)
    check_writable(plan.folder)
    introduce(plan.warnings, plan.arrangement.notes, plan.transfers)
    with signals_request(stop):
        for each in rounds:
            _train(each, engine, stop, plan.settings)
            if stop.requested:
                break
    return finish(rounds)


def _train(each: Round, engine: Engine, stop: Stop, settings: SweepSettings) -> None:
    """Train what is missing of a round; what other processes are training is waited for at the end."""
    missing = each.missing(settings.retry)
    announce(each.title, len(each.runs), len(missing))
    with Lines(len(missing)) as watch:
        if missing:
            engine.train(missing, watch, stop)
        busy = [run for run in missing if run.record().status is Status.running]
        if busy and not stop.requested:
            engine.train(busy, watch, stop, wait=True)


def finish(rounds: Rounds) -> Sweep:
    """Return the results, once they are on disk and TensorBoard's HPARAMS tab knows of all runs in the folder."""
    results = rounds.results()
    if results.factors:
        results.facts.save(results.folder)
    records, _ = find(results.folder)
    write_hparams(records, results.factors)
    return results
