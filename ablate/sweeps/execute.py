"""Running a plan: each missing run once, one line of progress each, and on after a failure."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from ablate.composition import config_loader
from ablate.config import Config
from ablate.errors import ConfigError, RecordError
from ablate.record import find, open_record
from ablate.registry import registry
from ablate.report.hparams import write_hparams
from ablate.report.terminal import announce, outcome
from ablate.results import Sweep
from ablate.sweeps.plan import Plan, make_plan
from ablate.training.run import run


def sweep(arguments: Sequence[str] = ()) -> Sweep:
    """Train the runs of a sweep that are not done yet, in this process, and return the results of all.

    ``arguments`` are overrides as after ``python -m ablate -m``, without a shell's quoting:
    ``sweep(["norm=bn,none", "seed=range(0,5)"])``. A run that fails is recorded as failed, and the others go on.
    """
    if own := [argument for argument in arguments if argument.startswith("hydra")]:
        raise ConfigError(f"{own[0]}: Hydra's own settings belong to the command line; here the runs go one by one.")
    if warning := registry().warning():
        warnings.warn(warning, stacklevel=2)
    with config_loader() as loader:
        plan = make_plan(arguments, loader, sweep=True)
    execute(plan)
    return finish(plan)


def execute(plan: Plan) -> None:
    """Train what is missing of ``plan`` in this process, one run after the other."""
    missing = plan.missing()
    announce(plan.results(), len(missing), plan.warnings, plan.transfers)
    for number, planned in enumerate(missing, 1):
        attempt(planned.config, number, len(missing))


def finish(plan: Plan) -> Sweep:
    """Return the results, once TensorBoard's HPARAMS tab knows of all runs in the folder."""
    results = plan.results()
    records, _ = find(results.folder)
    write_hparams(records, results.factors)
    return results


def attempt(config: Config, number: int, total: int) -> None:
    """Train one run of many and print how it ended; a failure is in its record and does not stop the others."""
    try:
        record = run(config)
    except RecordError as error:
        print(f"[{number}/{total}] {config.label} seed={config.seed}  left out: {error}", flush=True)
        return
    except Exception:  # whatever a plugin raises
        record = open_record(config)
    outcome(record, number, total)
