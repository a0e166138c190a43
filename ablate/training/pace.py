"""How fast runs of one graph train alone and in step, from a few real optimizer steps.

Nothing is left of them: random states and torch's settings are put back, and no folder of a run is touched.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from ablate.assembly import objective
from ablate.config import Config
from ablate.dataset import Examples, prepare, training_batches
from ablate.objective import Objective
from ablate.stacks.batches import side_by_side
from ablate.stacks.member import Member
from ablate.stacks.network import NotStackable
from ablate.stacks.stack import Stack
from ablate.stacks.verification import verify
from ablate.techniques import Regularizer
from ablate.training.process import process_state, quiet

ROUNDS, IN_A_ROW = 12, 3
"""How often each takes its turn, at most, and how many steps it takes then: the first finds the caches of another."""

SECONDS = 0.1
"""When they have taken so long, no further round begins; a step that takes half of it is taken once a round."""

_STEPS = 1000  # of a schedule at least: some raise at the end of theirs

Step = Callable[[], object]


class Pace:
    """Steps of the runs of ``configs``, which are of one graph, on the first batch of the first."""

    def __init__(self, configs: Sequence[Config]) -> None:
        first = configs[0]
        self.configs = configs
        with quiet(), process_state(first.trainer.threads):
            self._dataset = prepare(first.data, first.seed)
        batches = training_batches(self._dataset.splits.train, first.data, first.seed)
        self.steps = first.trainer.steps(len(batches))
        """How many optimizer steps each run has."""
        self._double = first.trainer.precision == "64-true"
        batch = next(iter(batches))
        self._batch = Examples(*(t.double() if self._double and t.is_floating_point() else t for t in batch))
        self._modules: list[Objective] = []

    def gain(self, members: int) -> float:
        """Return how many times as fast the first so many are in step as alone; 0 where they cannot train in step."""
        trainer = self.configs[0].trainer
        with quiet(), process_state(trainer.threads):
            torch.use_deterministic_algorithms(trainer.deterministic, warn_only=True)
            clock = time.process_time if trainer.threads == 1 else time.perf_counter
            while len(self._modules) < members:
                self._modules.append(self._built(self.configs[len(self._modules)]))
            try:
                together = self._together(members)
            except NotStackable:
                return 0.0
            kinds = Counter(map(rule, self.configs[:members]))
            of = {rule(config): config for config in self.configs[:members]}
            alone = [self._alone(of[kind]) for kind in kinds]
            *seconds, in_step = fastest([*alone, together], clock)
            return sum(n * each for n, each in zip(kinds.values(), seconds, strict=True)) / max(in_step, 1e-9)

    def _built(self, config: Config) -> Objective:
        module = objective(config, self._dataset)
        return module.double() if self._double else module

    def _rules(self, module: Objective) -> tuple[torch.optim.Optimizer, LRScheduler | None]:
        optimizer = module.optimizer_for(p for p in module.model.parameters() if p.requires_grad)
        return optimizer, module.sched.build(optimizer, max(self.steps, _STEPS))

    def _alone(self, config: Config) -> Step:
        """Return what a run does in a step by itself."""
        module, clip = self._built(config).train(), config.trainer.gradient_clip_val
        optimizer, schedule = self._rules(module)

        def descent() -> float:
            with torch.enable_grad():
                _, loss = module.outcome(*module.transformed(self._batch))
                if (penalty := module.penalty()) is not None:
                    loss = loss + penalty
            optimizer.zero_grad()
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(module.parameters(), clip)
            return loss.detach()  # type: ignore[return-value]  # torch says float

        def step() -> None:
            optimizer.step(descent)
            if schedule is not None and not isinstance(schedule, ReduceLROnPlateau):
                schedule.step()

        return step

    def _together(self, count: int) -> Step:
        """Return what a stack of the first modules does in a step; raises ``NotStackable`` where it is none."""
        modules = self._modules[:count]
        members = []
        for module, config in zip(modules, self.configs, strict=False):
            rules = self._rules(module)
            clip = config.trainer.gradient_clip_val
            members.append(Member(module.model, module.opt, module.sched, *rules, torch.Generator(), module.reg, clip))
        criterion = modules[0].criterion
        if count == 2:
            verify(members, criterion, self._batch)
        stack = Stack(members, criterion)
        stack.train()
        transforms = any(type(reg).transform is not Regularizer.transform for m in modules for reg in m.reg)

        def step() -> None:
            batches = [module.transformed(self._batch) if transforms else self._batch for module in modules]
            stack.step(*side_by_side(batches))

        return step


def rule(config: Config) -> tuple[str, str, bool]:
    """Return by what a run of a graph takes its steps, as far as it matters to how long they take."""
    chosen = config.choices()
    return chosen["opt"], chosen["sched"], config.trainer.gradient_clip_val is not None


def is_measured(config: Config) -> bool:
    """Return whether the run's steps are like those here: on the processor, in one precision throughout."""
    t = config.trainer
    here = t.accelerator == "cpu" or (
        t.accelerator == "auto" and not torch.cuda.device_count() and not torch.backends.mps.is_available()
    )
    return here and t.precision in ("32-true", "64-true")


def fastest(steps: Sequence[Step], clock: Callable[[], float]) -> list[float]:
    """Return the least time of a few calls of each, which take turns, after one of each that does not count."""
    for step in steps:
        step()
    least = [math.inf] * len(steps)
    spent = 0.0
    for _ in range(ROUNDS):
        for number, step in enumerate(steps):
            for _ in range(IN_A_ROW):
                start = clock()
                step()
                took = clock() - start
                spent += took
                least[number] = min(least[number], took)
                if took > SECONDS / 2:
                    break
        if spent > SECONDS:
            break
    return least
