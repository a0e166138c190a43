"""Carrying out a plan: what is missing is trained by an engine, and what others train is waited for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from ablate.composition import config_loader
from ablate.engines.engine import Engine
from ablate.engines.inline import InlineEngine
from ablate.errors import ConfigError
from ablate.record import find
from ablate.registry import registry
from ablate.report.hparams import write_hparams
from ablate.report.progress import Lines
from ablate.report.terminal import announce
from ablate.results import Sweep
from ablate.stop import Stop, signals_request
from ablate.sweeps.plan import Plan, make_plan


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


def execute(plan: Plan, engine: Engine) -> Sweep:
    """Train what is missing of ``plan`` and return the results of all of it."""
    stop = Stop()
    missing = plan.missing()
    announce(plan.results(), len(missing), plan.warnings, plan.transfers)
    with signals_request(stop), Lines(len(missing)) as watch:
        if missing:
            engine.train(missing, watch, stop)
    return finish(plan)


def finish(plan: Plan) -> Sweep:
    """Return the results, once TensorBoard's HPARAMS tab knows of all runs in the folder."""
    results = plan.results()
    records, _ = find(results.folder)
    write_hparams(records, results.factors)
    return results
