"""Planned runs in step with one another, in this process."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch

from ablate.engines.attempt import attempt
from ablate.engines.planned import PlannedRun
from ablate.stop import Stop
from ablate.training.lockstep import Apart, Company
from ablate.training.process import process_state, quiet


def attempt_together(
    runs: Sequence[PlannedRun], stop: Stop, asides: Sequence[AbstractContextManager[Any]] = (), *, wait: bool = False
) -> list[str | None]:
    """Train a run, or several of one graph in step; return of each why it was left out, or None.

    Each is as it would be by itself, failures included: where training in step fails, runs go on alone, and for want of
    memory in two halves. ``asides`` are entered while a run is at work by itself. Only a run alone can ``wait`` for
    another process.
    """
    asides = asides or [nullcontext()] * len(runs)
    if len(runs) == 1:
        with asides[0]:
            return [attempt(runs[0], stop, wait=wait)]
    company, left_out, apart, halves = Company(), dict[int, str | None](), list[int](), False

    def one(number: int) -> None:
        nonlocal halves
        try:
            left_out[number] = attempt(runs[number], stop, company=company)
        except KeyboardInterrupt as error:
            if not isinstance(error.__cause__, Apart):
                raise
            apart.append(number)
            halves = halves or error.__cause__.for_want_of_memory

    trainer = runs[0].config.trainer
    # what each run sets for itself and puts back at its end is set around all of them, or the first to end would
    with quiet(), process_state(trainer.threads):
        torch.use_deterministic_algorithms(trainer.deterministic, warn_only=True)
        company.train([(partial(one, number), aside) for number, aside in enumerate(asides)])
    half = (len(apart) + 1) // 2
    for numbers in [apart[:half], apart[half:]] if halves else [[number] for number in apart]:
        again = [dataclasses.replace(runs[number], again=False) for number in numbers]
        if stop.requested or not again:
            left_out |= dict.fromkeys(numbers)
            continue
        found = attempt_together(again, stop, [asides[number] for number in numbers])
        left_out |= dict(zip(numbers, found, strict=True))
    return [left_out[number] for number in range(len(runs))]
