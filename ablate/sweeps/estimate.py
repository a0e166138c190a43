"""How long a plan will take: what its arms took before, or what a few real steps of them take now."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Sequence

from ablate.config import Config
from ablate.dataset import prepare, training_batches
from ablate.engines.planned import PlannedRun
from ablate.record import Status, find

MEASURED = 6
"""How many arms are measured at most; the others are taken to cost their mean."""

STEPS = 20
"""Optimizer steps between two points of the curves, at most, in a measurement."""


def seconds_of(runs: Sequence[PlannedRun]) -> dict[str, float]:
    """Return how long a run of each arm takes, by the arm's hash, in seconds on one worker."""
    arms = {run.config.arm_hash: run.config for run in runs}
    known = {arm: seconds for arm, config in arms.items() if (seconds := _before(config)) is not None}
    unknown = [arm for arm in arms if arm not in known]
    chosen = unknown[:: -(-len(unknown) // MEASURED)] if unknown else []
    known |= {arm: measure(arms[arm]) for arm in chosen}
    mean = sum(known.values()) / len(known)
    return {arm: known.get(arm, mean) for arm in arms}


def measure(config: Config) -> float:
    """Return how long a run will take, from two short ones of it: with one point of the curves, and with three."""
    batches = len(training_batches(prepare(config.data, config.seed).splits.train, config.data, config.seed))
    validations, steps = config.trainer.validations, config.trainer.steps(batches)
    interval = max(1, steps // validations)
    short = min(interval, STEPS)
    first, second = (_seconds(config, short * points, points) for points in (1, 3))
    return first + max(0.0, second - first) / 2 * (interval / short) * (min(validations, steps) - 1)


def _seconds(config: Config, steps: int, points: int) -> float:
    from ablate.training.run import run  # here, as a plan by itself needs no Lightning

    trainer = dataclasses.replace(config.trainer, max_steps=steps, validations=points, progress=False)
    with tempfile.TemporaryDirectory() as folder:
        clock = time.perf_counter()
        run(dataclasses.replace(config.elsewhere(folder), trainer=trainer))
        return time.perf_counter() - clock


def _before(config: Config) -> float | None:
    """Return the mean time of the arm's runs that have finished."""
    records, _ = find(PlannedRun(config, ()).record().folder.parent)
    taken = [r.facts.seconds for r in records if r.status is Status.finished and r.facts.seconds is not None]
    return sum(taken) / len(taken) if taken else None
