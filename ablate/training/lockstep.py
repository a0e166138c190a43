"""Runs of one graph in step with one another: their optimizer steps are taken together, all else by each alone.

Every run of a company goes through Lightning with a trainer, callbacks, loggers and checkpoints of its own, as it
would by itself, in a coroutine of its own. Where it would train a chunk it waits until all others have come as far, and
a stack trains the chunks of all. So whatever a run leaves on disk is what it leaves alone, and it may go on in other
company, or in none.

What the process has one of is given to each in turn: random states, and where what is printed goes.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from greenlet import getcurrent, greenlet
from torch import Tensor

from ablate.accounting.memory import out_of_memory
from ablate.dataset import Examples
from ablate.module import Evaluated
from ablate.random_state import GlobalState, generators, global_state, set_global_state
from ablate.stacks.batches import side_by_side
from ablate.stacks.member import Member
from ablate.stacks.network import NotStackable
from ablate.stacks.stack import Stack
from ablate.stacks.verification import verify
from ablate.techniques import Regularizer
from ablate.training.resume import Stopped

if TYPE_CHECKING:
    from ablate.training.chunk import Chunks


class Apart(Stopped):
    """The company of a run has broken up in the middle of a chunk: it has to go on from its checkpoint without it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.for_want_of_memory = out_of_memory(error)
        """Whether it may go on in smaller company."""


@dataclass
class Chunk:
    """What a run is about to train."""

    chunks: Chunks
    optimizer: torch.optim.Optimizer
    batches: Iterator[Examples]


class Runner:
    """A run of a company, from outside."""

    def __init__(self, task: Callable[[], None], aside: AbstractContextManager[Any]) -> None:
        self.coroutine = greenlet(task)
        self.aside = aside
        self.generator = torch.Generator()
        """Stands for the global random state of the run while a stack trains it."""
        self.apart = False
        self._random: GlobalState | None = None
        self._chunk: Chunk | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing is left of it to do."""
        return bool(self.coroutine.dead)

    @property
    def chunk(self) -> Chunk:
        """What it waits to train."""
        assert self._chunk is not None
        return self._chunk

    def go_on(self, share: float | None = None) -> None:
        """Let it go on until it waits again or has ended; ``share`` are the seconds in which its chunk was trained, if
        it was.
        """
        self._switch(lambda: self.coroutine.switch(*([] if self._random is None else [share])))

    def break_off(self, error: BaseException) -> None:
        """Raise ``error`` where it waits, and let it end."""
        self._switch(lambda: self.coroutine.throw(error))

    def _switch(self, switch: Callable[[], Any]) -> None:
        if self._random is not None:
            set_global_state((self.generator.get_state(), *self._random[1:]))
        with self.aside:
            self._chunk = switch()
        self._random = global_state()
        self.generator.set_state(self._random[0])


class Company:
    """Runs that train in step."""

    def __init__(self) -> None:
        self._is_ending = False
        self._stacks: dict[tuple[int, ...], Stack] = {}
        self._verified = False

    def train(self, tasks: Sequence[tuple[Callable[[], None], AbstractContextManager[Any]]]) -> None:
        """Carry out tasks, each a run and what to enter while it is at work; return when all have ended."""
        runners = [Runner(task, aside) for task, aside in tasks]
        try:
            for runner in runners:
                runner.go_on()
            while waiting := [runner for runner in runners if not runner.has_ended]:
                for group in _level(waiting):
                    self._take(group)
        finally:
            for runner in runners:
                if not runner.has_ended:
                    runner.break_off(KeyboardInterrupt())

    def has_trained(self, chunks: Chunks, optimizer: torch.optim.Optimizer, batches: Iterator[Examples]) -> bool:
        """Wait for the others; return whether the chunk has been trained with theirs. Called by the runs."""
        left, clock = time.perf_counter(), chunks.clock
        outside = getcurrent().parent
        assert outside is not None
        share: float | None = outside.switch(Chunk(chunks, optimizer, batches))
        clock.idle += time.perf_counter() - left - (share or 0.0)
        return share is not None

    def _take(self, group: Sequence[Runner]) -> None:
        """Train the chunks of runs that have come equally far."""
        began = time.perf_counter()
        try:
            stack = self._stack_of(group)
            if stack is not None:
                self._train(stack, group)
        except Exception as error:  # of whatever plugin, or for want of memory: without the others each finds its own
            self._stacks.clear()
            for runner in group:
                runner.break_off(Apart(error))
            return
        share = None if stack is None else (time.perf_counter() - began) / len(group)
        for runner in group:
            runner.go_on(share)

    def _stack_of(self, group: Sequence[Runner]) -> Stack | None:
        """Return the stack of these runs; None where each has to train its chunk itself."""
        key = tuple(map(id, group))
        alone = len(group) == 1 or any(runner.apart for runner in group)
        if alone or key not in self._stacks:
            # what a run does by itself, and in another stack, this one would not know of
            self._stacks = {own: stack for own, stack in self._stacks.items() if not {*own} & {*key}}
        if alone:
            return None
        if key not in self._stacks:
            try:
                self._stacks[key] = self._made(group)
            except NotStackable:
                for runner in group:
                    runner.apart = True
                return None
        if any(runner.chunk.chunks.is_watched for runner in group) and not self._stacks[key].program.shows_layers:
            del self._stacks[key]
            return None
        return self._stacks[key]

    def _made(self, group: Sequence[Runner]) -> Stack:
        members = []
        for runner in group:
            chunks, optimizer = runner.chunk.chunks, runner.chunk.optimizer
            module, trainer = chunks.module, chunks.trainer
            if type(module).outcome is not type(group[0].chunk.chunks.module).outcome or generators([module.criterion]):
                raise NotStackable(f"{type(module).__name__} has an outcome of its own.")
            schedules = [each.scheduler for each in trainer.lr_scheduler_configs]
            members.append(
                Member(
                    network=module.model,
                    opt=module.opt,
                    sched=module.sched,
                    optimizer=optimizer,
                    schedule=schedules[0] if schedules else None,
                    generator=runner.generator,
                    reg=module.reg,
                    clip=trainer.gradient_clip_val,
                )
            )
        module = group[0].chunk.chunks.module
        if not self._verified:
            verify(members, module.criterion, Examples(*group[0].chunk.chunks.batches.examples))
            self._verified = True
        titles = [runner.chunk.chunks.resume.identity for runner in group]
        for runner, own in zip(group, titles, strict=True):
            runner.chunk.chunks.resume.facts.stack = [title for title in titles if title != own]
        return Stack(members, module.criterion)

    def _train(self, stack: Stack, group: Sequence[Runner]) -> None:
        """Take the optimizer steps of a chunk of every run."""
        of = [runner.chunk.chunks for runner in group]
        modules = [chunks.module for chunks in of]
        sources = [runner.chunk.batches for runner in group]
        further = of[0].further
        transforms = any(type(reg).transform is not Regularizer.transform for m in modules for reg in m.reg)
        sums = _Sums([module.interval.sums for module in modules])
        stack.train()
        self._is_ending = False
        for chunks in of:
            chunks.asked = lambda: self._is_ending
        look = stack.program.look() if of[0].is_watched else None
        batches: list[Examples] = [next(source) for source in sources]
        uncounted = 0
        for taken in itertools.count():
            if transforms:
                batches = [_transformed(*one) for one in zip(of, group, batches, strict=True)]
            x, y = side_by_side(batches)
            objective = stack.program.backward(x, y)
            sums.add("train/loss", objective.losses)
            if objective.penalties is not None:
                sums.add("train/penalty", objective.penalties)
            for module in modules:
                module.interval.batches += 1
            if taken == further:  # somebody may look at the gradients of this step
                for chunks in of:
                    chunks.count_steps(uncounted)
                uncounted = 0
                if look is not None:
                    look.take_gradients()
                if modules[0].is_last_step:
                    for module, norm in zip(modules, stack.updates.gradient_norms(), strict=True):
                        module.interval.grad_norm = norm
            stack.updates.step()
            uncounted += 1
            self._is_ending = any(chunks.resume.is_asked() for chunks in of)
            upcoming = [next(source, None) for source in sources]
            batches = [batch for batch in upcoming if batch is not None]
            if not batches:
                break
            stack.updates.move()
        for chunks in of:
            chunks.count_steps(uncounted)
            chunks.asked = chunks.resume.is_asked
        if look is not None:
            look.close()
            for chunks, table in zip(of, look.tables(of[0].optim_progress.optimizer_steps), strict=True):
                chunks.show(table)
        sums.hand_out()
        stack.settle()
        if all(chunks.is_at_point and chunks.validation is not None for chunks in of):
            _evaluate(stack, of)


@torch.no_grad()
def _evaluate(stack: Stack, of: Sequence[Chunks]) -> None:
    """Leave each run what its network makes of its validation examples."""
    network = stack.program.network.eval()
    for batches in zip(*(chunks.validation or () for chunks in of), strict=True):
        x, y = side_by_side([chunks.placed(batch) for batch, chunks in zip(batches, of, strict=True)])
        prediction, losses = stack.program.outcome(x, y)
        for chunks, *own in zip(of, prediction, y, losses, strict=True):
            chunks.evaluated.append(Evaluated(*own))
    network.train()


class _Sums:
    """The curves' sums of all members, (K,) each."""

    def __init__(self, own: Sequence[dict[str, Tensor]]) -> None:
        self.own = own
        self.totals = {name: torch.stack([sums[name] for sums in own]) for name in own[0]}

    def add(self, name: str, values: Tensor) -> None:
        """Add what a batch has, (K,)."""
        self.totals[name] = self.totals[name] + values if name in self.totals else values

    def hand_out(self) -> None:
        """Give each member its own."""
        for name, totals in self.totals.items():
            for sums, total in zip(self.own, totals, strict=True):
                sums[name] = total.clone()


def _level(waiting: Sequence[Runner]) -> list[list[Runner]]:
    """Return the runs that wait, those that have come equally far together."""
    groups: dict[tuple[int, int], list[Runner]] = {}
    for runner in waiting:
        chunks = runner.chunk.chunks
        groups.setdefault((chunks.trainer.global_step, chunks.further), []).append(runner)
    return list(groups.values())


def _transformed(chunks: Chunks, runner: Runner, batch: Examples) -> Examples:
    """Return a batch as the run's regularizers change it, which may draw from the global random state."""
    torch.set_rng_state(runner.generator.get_state())
    changed = chunks.module.transformed(batch)
    runner.generator.set_state(torch.get_rng_state())
    return changed
