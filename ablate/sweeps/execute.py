"""Carrying out a plan: what is missing is trained by an engine, and what others train is waited for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from ablate.composition import config_loader
from ablate.engines import processes
from ablate.engines.engine import Engine
from ablate.engines.local import engine_for
from ablate.errors import ConfigError
from ablate.record import find
from ablate.registry import registry
from ablate.report.hparams import write_hparams
from ablate.report.progress import Progress
from ablate.report.terminal import announce
from ablate.results import Sweep
from ablate.stop import Stop, signals_request
from ablate.sweeps.plan import Plan, make_plan


def sweep(arguments: Sequence[str] = ()) -> Sweep:
    """Train the runs of a sweep that are not done yet, and return the results of all.

    ``arguments`` are overrides as after ``python -m ablate -m``, without a shell's quoting:
    ``sweep(["norm=bn,none", "seed=range(0,5)"])``. A run that fails is recorded as failed, and the others go on.
    Ctrl-C leaves checkpoints and raises ``KeyboardInterrupt``; the same call goes on.
    """
    if own := [argument for argument in arguments if argument.startswith("hydra")]:
        raise ConfigError(f"{own[0]}: Hydra's own settings belong to the command line.")
    if warning := registry().warning():
        warnings.warn(warning, stacklevel=2)
    if "workers=0" not in arguments:
        processes.warm_up()
    with config_loader() as loader:
        plan = make_plan(arguments, loader, sweep=True)
        return execute(plan, engine_for(plan.settings))


def execute(plan: Plan, engine: Engine) -> Sweep:
    """Train what is missing of ``plan`` and return the results of all of it.

    Raises ``KeyboardInterrupt`` where Ctrl-C or SIGTERM ended it before.
    """
    stop = Stop()
    missing = plan.missing()
    results = plan.results()
    announce(results, len(missing), plan.warnings, plan.transfers)
    watch = Progress(
        results,
        len(missing),
        stop,
        live=not any(planned.config.trainer.progress for planned in missing),  # which has a bar of its own
        quiet=plan.settings.quiet,
        fail_fast=plan.settings.fail_fast,
    )
    with signals_request(stop), watch:
        if missing:
            engine.train(missing, watch, stop)
    if stop.requested and not (plan.settings.fail_fast and watch.failed) and plan.missing():
        raise KeyboardInterrupt
    return finish(plan)


def finish(plan: Plan) -> Sweep:
    """Return the results, once TensorBoard's HPARAMS tab knows of all runs in the folder."""
    results = plan.results()
    records, _ = find(results.folder)
    write_hparams(records, results.factors)
    return results
