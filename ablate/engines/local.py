"""The engine of worker processes on this machine: the next run goes to whichever is free."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import wait as wait_for

import torch

from ablate.engines.crew import Worker
from ablate.engines.engine import Engine, Watch
from ablate.engines.groups import Group, grouped
from ablate.engines.inline import InlineEngine
from ablate.engines.messages import Setup
from ablate.engines.planned import PlannedRun
from ablate.engines.sizes import in_step
from ablate.engines.slots import VISIBLE, Slot, gpu_names, slots, usable_processors
from ablate.errors import EngineError
from ablate.stop import Stop
from ablate.sweep_settings import SweepSettings

_POLL_SECONDS = 0.1
"""How often a request to stop is looked for; everything else is waited for."""

_DEATHS = 3
"""So many workers in a row may die without having trained anything."""


def engine_for(settings: SweepSettings) -> Engine:
    """Return the engine that a sweep asks for: ``workers=0`` trains in this process."""
    if settings.workers == "0":
        return InlineEngine(settings.stack)
    return LocalEngine(settings.workers, settings.runs_per_gpu, settings.stack)


class LocalEngine:
    """Trains in worker processes: ``workers`` of them at most, or ``auto``, and ``runs_per_gpu`` on each GPU.

    Runs of one graph are trained in step, as ``stack`` says: off, auto or how many at most.
    """

    def __init__(self, workers: str | int = "auto", runs_per_gpu: int = 1, stack: str | int = 1) -> None:
        self.workers = str(workers)
        self.runs_per_gpu = runs_per_gpu
        self.stack = stack

    def train(self, runs: Sequence[PlannedRun], watch: Watch, stop: Stop, *, wait: bool = False) -> None:
        """Start the workers, train, and end them: none is left, whatever is raised."""
        places = deque(self.slots(runs))
        todo = deque(self.groups(runs, len(places), wait=wait))
        watch.waiting()  # now that nothing is measured here any more
        crew: list[Worker] = []
        deaths = 0
        try:
            while deaths < _DEATHS:
                if stop.requested:
                    todo.clear()
                while places and len(todo) > sum(worker.is_free for worker in crew):
                    slot = places.popleft()
                    crew.append(Worker(slot, Setup({**os.environ, **slot.environment}, wait)))
                if not crew:
                    return
                for worker in crew:
                    _order(worker, todo, watch, stop)
                wait_for([source for worker in crew for source in worker.sources], _POLL_SECONDS)
                for worker in list(crew):
                    dead = worker.is_dead  # asked first: what it said before it died is still heard
                    if _tell(watch, worker, dead, todo):
                        deaths = 0
                    elif dead and not worker.told_to_end:
                        deaths += 1
                    if dead:
                        worker.kill()
                        crew.remove(worker)
                        places.append(worker.slot)
        finally:
            for worker in crew:
                worker.kill()
        raise EngineError(
            f"{deaths} worker processes in a row ended before they had trained anything. "
            "What they printed stands above; workers=0 trains in this process."
        )

    def groups(self, runs: Sequence[PlannedRun], workers: int, *, wait: bool = False) -> list[Group]:
        """Return ``runs`` as they train in step; only a run alone can ``wait`` for another process."""
        return grouped(runs, lambda own: 1 if wait else in_step(self.stack, own, workers))

    def slots(self, runs: Sequence[PlannedRun]) -> list[Slot]:
        """Return where ``runs`` are trained on this machine."""
        trainers = [planned.config.trainer for planned in runs]
        with_gpu = any(trainer.accelerator in ("auto", "gpu", "cuda") for trainer in trainers)
        return slots(
            self.workers,
            runs=len(runs),
            threads=max((trainer.threads * trainer.devices for trainer in trainers), default=1),
            processors=usable_processors(),
            gpus=gpu_names(torch.cuda.device_count() if with_gpu else 0, os.environ.get(VISIBLE)),
            runs_per_gpu=self.runs_per_gpu,
            devices=max((trainer.devices for trainer in trainers), default=1),
        )


def _order(worker: Worker, todo: deque[Group], watch: Watch, stop: Stop) -> None:
    """Give an idle worker the next group, or have it end where there is none."""
    if worker.is_idle and todo:
        if worker.give(todo[0]):
            for planned in todo.popleft():
                watch.started(planned)
    elif worker.is_idle or stop.requested:
        worker.end()


def _tell(watch: Watch, worker: Worker, dead: bool, todo: deque[Group]) -> bool:
    """Tell the watch which runs of the worker have ended; return whether one has.

    Of several that have died together nobody knows whose fault it was: each is tried again by itself.
    """
    ended = list(worker.heard())
    if dead and len(worker.group) == 1:
        ended.append((worker.group[0], worker.bury()))
    elif dead and worker.group:
        alive = [planned for planned in worker.group if not planned.record().is_done]
        ended += [(planned, None) for planned in worker.group if planned not in alive]
        todo.extendleft((planned,) for planned in reversed(alive))
    for planned, left_out in ended:
        watch.ended(planned, left_out)
    return bool(ended) or (dead and len(worker.group) > 1)
