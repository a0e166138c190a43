"""Carrying out a plan: what is missing is trained by an engine, and what others train is waited for."""

from __future__ import annotations

import dataclasses
import os
import socket
import warnings
from collections.abc import Sequence
from pathlib import Path

from ablate.analysis.naming import names
from ablate.atomic import check_writable
from ablate.composition import config_loader
from ablate.config import TRACKERS, Config
from ablate.engines import processes
from ablate.engines.engine import Engine
from ablate.engines.local import engine_for
from ablate.errors import ConfigError
from ablate.facts import FAILURES
from ablate.record import find
from ablate.registry import registry
from ablate.report.announcements import announce, introduce
from ablate.report.preview import print_preview
from ablate.report.progress import Progress
from ablate.results import Sweep
from ablate.stop import Stop, signals_request
from ablate.studies.arguments import source
from ablate.sweep_facts import SweepFacts
from ablate.sweeps.plan import Plan, make_plan
from ablate.sweeps.preview import preview
from ablate.sweeps.rounds import Round, Rounds, labels_of, unfinished


def sweep(arguments: Sequence[str] = ()) -> Sweep:
    """Train the runs of a sweep that are not done yet, and return the results of all.

    ``arguments`` are overrides as after ``python -m ablate -m``, without a shell's quoting:
    ``sweep(["norm=bn,none", "seed=range(0,5)"])``. A run that fails is recorded as failed, and the others go on.
    With ``dry_run=true`` the plan is printed, and the results are those of earlier calls.
    Ctrl-C leaves checkpoints and raises ``KeyboardInterrupt``; the same call goes on.
    """
    if own := [argument for argument in arguments if argument.startswith("hydra")]:
        raise ConfigError(f"{own[0]}: Hydra's own settings belong to the command line.")
    if warning := registry().warning():
        warnings.warn(warning, stacklevel=2)
    train_source(arguments)
    if not {"workers=0", "dry_run=true"} & {*arguments}:
        processes.warm_up()
    with config_loader() as loader:
        plan = make_plan(arguments, loader, sweep=True)
        if plan.settings.dry_run:
            foresee(plan)
            return Rounds(plan).results()
        return execute(plan, engine_for(plan.settings))


def train_source(arguments: Sequence[str]) -> None:
    """Train the runs that those of a study start from, where it has such."""
    if before := source(arguments):
        sweep(before)


def foresee(plan: Plan) -> None:
    """Print what ``plan`` comes to; nothing of it is trained."""
    introduce(plan.warnings, plan.arrangement.notes, (*plan.data, *plan.changes))
    print_preview(preview(plan))


def execute(plan: Plan, engine: Engine, stop: Stop | None = None) -> Sweep:
    """Train what is missing of ``plan``, round by round, and return the results of all of it.

    At a request to ``stop``, training leaves checkpoints and the results so far are returned; Ctrl-C and SIGTERM do
    the same where no ``stop`` is given, and raise ``KeyboardInterrupt``.
    """
    signals = Stop() if stop is None else stop
    rounds = Rounds(plan)
    check_writable(plan.folder)
    introduce((*plan.warnings, *plan.replaced), plan.arrangement.notes, (*plan.data, *plan.changes))
    trained = False
    try:
        with signals_request(signals):
            for each in rounds:
                _tell_watchers(rounds, in_training=True)
                trained = _train(each, rounds, engine, signals) or trained
                if signals.requested:
                    break
    finally:
        _tell_watchers(rounds, in_training=False)
    results = finish(rounds, trained=trained)
    if stop is None and signals.by_signal:
        raise KeyboardInterrupt
    return results


def _tell_watchers(rounds: Rounds, *, in_training: bool) -> None:
    """Say in ``sweep.json`` which runs there are to be, as far as that is known, and whether they are in training."""
    facts = rounds.facts()
    if facts.factors and facts.arms:
        if in_training:
            facts.pid, facts.host = os.getpid(), socket.gethostname()
        else:
            _leave_others(facts, rounds.plan.folder)
        facts.save(rounds.plan.folder)


def _leave_others(facts: SweepFacts, folder: Path) -> None:
    """Keep it said that another process trains the sweep, which was called at the same time."""
    there = SweepFacts.load(folder)
    own = os.getpid(), socket.gethostname()
    if there is not None and there.in_training and (there.pid, there.host) != own:
        facts.pid, facts.host = there.pid, there.host


def _train(each: Round, rounds: Rounds, engine: Engine, stop: Stop) -> bool:
    """Train what is missing of a round, and return whether anything was.

    What other processes are training is waited for at the end.
    """
    settings = rounds.plan.settings
    missing = each.missing(settings.retry)
    failed = 0 if missing else sum(run.record().status in FAILURES for run in each.runs)
    called = names(labels_of(each.runs))
    announce(each.title, len(each.runs), len(missing), failed, "" if settings.quiet else called.sentence())
    live = not any(run.config.trainer.progress for run in missing)  # which shows a bar of its own
    watch = Progress(
        rounds.results(),
        len(missing),
        stop,
        names=called,
        live=live,
        quiet=settings.quiet,
        fail_fast=settings.fail_fast,
    )
    if any({*TRACKERS} & {*run.config.logger} for run in missing):
        from ablate.training.trackers import prepare  # here, as it needs Lightning

        prepare(run.config for run in missing)
    with watch:
        if missing:
            engine.train(missing, watch, stop)
        if (left := unfinished(missing, watch.left_out)) and not stop.requested:
            engine.train([dataclasses.replace(run, again=False) for run in left], watch, stop, wait=True)
    return bool(missing)


def finish(rounds: Rounds, *, trained: bool) -> Sweep:
    """Return the results, once they are on disk and TensorBoard's HPARAMS tab knows of all runs in the folder.

    Where nothing was ``trained`` it does so already, as a rule: in a folder of thousands of runs that takes seconds.
    """
    results = rounds.results()
    if results.factors:
        _leave_others(results.facts, results.folder)
        results.facts.target_used = dataclasses.asdict(results.target())
        results.facts.save(results.folder)
    config = rounds.plan.arms[0].config
    from ablate.report.hparams import lacks_hparams, write_hparams  # here, as planning does without TensorBoard

    if "tensorboard" in config.logger and (trained or any(map(lacks_hparams, results.records))):
        records, _ = find(results.folder)
        write_hparams(records, results.factors)
    if results.factors and set(config.logger) & set(TRACKERS) and any(record.is_done for record in results.records):
        _send(results, config)
    return results


def _send(results: Sweep, config: Config) -> None:
    """Hand the report to trackers; one that does not take it costs nobody the results."""
    # here: statistics, charts and Lightning take seconds to import, and few hand a report on
    from ablate.report.content import content_of
    from ablate.report.faces import to_markdown, write_report
    from ablate.training.trackers import send_report

    content = content_of(results)
    files = [path for path in write_report(content) if path.is_file()]
    try:
        send_report(config, files, to_markdown(content))
    except ConfigError as error:
        warnings.warn(f"The report was not handed on: {error}", stacklevel=2)
