"""Many batches where Lightning would train one, so that its hooks, counters and loaders are paid once a chunk.

A chunk begins with a batch that Lightning has fetched, and goes on to the next moment at which somebody looks: a point
of the curves, a step whose layers are measured, the end of an epoch or of the budget, a checkpoint that is due, a
request to stop. Between its batches it does what Lightning would do for nobody but itself: it counts. So curves,
checkpoints and ``trainer.global_step`` are those of a run without chunks, to the bit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loops.optimization.automatic import _AutomaticOptimization
from lightning.pytorch.plugins.precision import DoublePrecision, Precision
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor
from torch.optim import Optimizer

from ablate.dataset import Batches, Examples
from ablate.layer_table import Row
from ablate.module import AblationModule, Evaluated
from ablate.training.checkpoints import BestWeights
from ablate.training.clock import Clock
from ablate.training.diagnostics import Diagnostics
from ablate.training.lockstep import Company
from ablate.training.resume import Resume

EACH_BATCH = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)
"""The hooks of callbacks and modules that Lightning calls for every batch."""

IN_A_STEP = (
    "training_step",
    "backward",
    "optimizer_step",
    "optimizer_zero_grad",
    "configure_gradient_clipping",
    "lr_scheduler_step",
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_after_batch_transfer",
)
"""The methods of a module that say what a step is."""


def possible(trainer: pl.Trainer, module: AblationModule) -> bool:
    """Return whether nobody would miss what a chunk leaves out.

    Somebody would where a callback, of a regularizer or of somebody else, has a hook for every batch, where a module
    steps its optimizers itself or says otherwise what a step is, where several batches make a step, where several
    devices share one, and in mixed precision. There each batch goes through Lightning.
    """
    ours = Resume, Diagnostics, BestWeights  # know chunks
    others = [callback for callback in cast(Any, trainer).callbacks if type(callback) not in ours]
    return (
        module.automatic_optimization
        and trainer.accumulate_grad_batches == 1
        and type(trainer.strategy) is SingleDeviceStrategy
        and type(trainer.precision_plugin) in (Precision, DoublePrecision)
        and not any(overrides(callback, Callback, hook) for callback in others for hook in EACH_BATCH)
        and not any(overrides(module, AblationModule, hook) for hook in (*EACH_BATCH, *IN_A_STEP))
    )


def overrides(thing: object, base: type, name: str) -> bool:
    """Return whether a method of ``thing`` is another than that of ``base``."""
    own = getattr(thing, name)
    return getattr(own, "__func__", own) is not getattr(base, name)


class Chunks(_AutomaticOptimization):
    """Takes the place of the part of Lightning's loop that trains a batch; keeps its counters, and those around it."""

    def __init__(
        self,
        trainer: pl.Trainer,
        batches: Batches,
        resume: Resume,
        looks: Diagnostics | None,
        clock: Clock,
        company: Company | None,
    ) -> None:
        super().__init__(trainer)
        self.batches = batches
        self.resume = resume
        self.looks = looks
        if looks is not None:
            looks.is_told = True
        self.clock = clock
        self.company = company
        self.asked: Callable[[], bool] = resume.is_asked
        """Whether a chunk is to end before its time."""
        self.validation: Batches | None = None
        """The examples that a stack may evaluate for the run at its next point."""
        self.evaluated: list[Evaluated] = []
        """What the stack has made of them."""

    @property
    def module(self) -> AblationModule:
        """What is trained."""
        return cast(AblationModule, self.trainer.lightning_module)

    @property
    def is_watched(self) -> bool:
        """Whether the layers of the network are looked at in this step."""
        return self.looks is not None and self.looks.is_due

    def show(self, table: list[Row]) -> None:
        """Take what somebody else has seen of the layers in this step."""
        assert self.looks is not None
        self.looks.seen = table

    def run(self, optimizer: Optimizer, batch_idx: int, kwargs: OrderedDict[str, Any]) -> dict[str, Any]:
        """Train the chunk that begins with the batch in ``kwargs``."""
        self.trainer.lightning_module._current_fx_name = "training_step"  # so that it may log
        batches, self.evaluated = self._chunk(kwargs["batch"]), []
        if self.company is None or not self.company.has_trained(self, optimizer, batches):
            self._train(optimizer, batches)
        return {}

    def _train(self, optimizer: Optimizer, batches: Iterator[Examples]) -> None:
        """Take an optimizer step on each batch."""
        trainer, module, schedules = self.trainer, self.module, self._schedules()
        double = type(trainer.precision_plugin) is DoublePrecision
        progress, clip = self.optim_progress.optimizer, trainer.gradient_clip_val
        first = trainer.fit_loop.batch_idx
        if self.looks is not None:
            self.looks.begin(module.model)

        def descent(number: int, batch: Examples) -> Tensor:
            """Leave the gradients of a batch; return its loss. Some optimizers ask more than once."""
            with torch.enable_grad():
                with trainer.precision_plugin.train_step_context() if double else nullcontext():
                    loss = module.training_step(batch, number)
                optimizer.zero_grad()
                loss.backward()
            progress.zero_grad.increment_by(1)
            if self.looks is not None:
                self.looks.on_before_optimizer_step(trainer, module, optimizer)
            module.on_before_optimizer_step(optimizer)
            if clip is not None:
                module.configure_gradient_clipping(optimizer, clip, trainer.gradient_clip_algorithm)
            return loss.detach()

        for number, batch in enumerate(batches, first):
            if number > first:
                for schedule in schedules:
                    schedule.step()
            optimizer.step(partial(descent, number, batch))  # type: ignore[arg-type]  # torch says float
            progress.step.increment_by(1)

    @property
    def is_at_home(self) -> bool:
        """Whether batches are trained as and where they are kept: in float32, by the processor."""
        return type(self.trainer.precision_plugin) is Precision and self.trainer.strategy.root_device.type == "cpu"

    def placed(self, batch: Examples) -> Examples:
        """Return a batch in the precision of training, on its device."""
        if self.is_at_home:
            return batch
        device = self.trainer.strategy.root_device
        return Examples(*(each.to(device) for each in self.trainer.precision_plugin.convert_input(batch)))

    def count_steps(self, number: int) -> None:
        """Count optimizer steps that were taken elsewhere."""
        progress = self.optim_progress.optimizer
        progress.zero_grad.increment_by(number)
        progress.step.increment_by(number)

    def _schedules(self) -> list[Any]:
        """Return the schedules that move with every step."""
        return [each.scheduler for each in self.trainer.lr_scheduler_configs if each.interval == "step"]

    def _chunk(self, batch: Examples) -> Iterator[Examples]:
        """Yield the batches of the chunk that begins with ``batch``, and count them."""
        trainer, further, is_at_home = self.trainer, self.further, self.is_at_home
        results = trainer.fit_loop.epoch_loop._results
        yield batch
        taken = 0
        # where something is logged at every step, Lightning has to see every step
        while taken < further and not results and not self.asked():
            taken += 1
            upcoming = next(self.batches.running)
            yield upcoming if is_at_home else self.placed(upcoming)
        self._count(taken, taken * len(self._schedules()))

    @property
    def is_at_point(self) -> bool:
        """Whether a point of the curves follows the chunk that has been trained."""
        trainer, progress = self.trainer, self.trainer.fit_loop.epoch_loop.batch_progress
        at_end = self.optim_progress.optimizer_steps >= trainer.estimated_stepping_batches
        return at_end or progress.total.ready % int(trainer.val_check_interval) == 0

    @property
    def further(self) -> int:
        """After how many batches more the next moment comes that is known before."""
        trainer, progress = self.trainer, self.trainer.fit_loop.epoch_loop.batch_progress
        configs = [each for each in trainer.lr_scheduler_configs if each.interval == "step"]
        if any(each.reduce_on_plateau or each.frequency != 1 for each in configs):
            return 0  # Lightning knows when to step them
        step = self.optim_progress.optimizer_steps + 1
        ends = [
            -progress.total.ready % int(trainer.val_check_interval),
            int(trainer.num_training_batches) - progress.current.ready,
            int(trainer.estimated_stepping_batches) - step,
        ]
        if self.looks is not None:  # such a step is a chunk by itself
            ends += [max(0, looked_at - step - 1) for looked_at in self.looks.steps if looked_at >= step]
        return min(ends)

    def _count(self, batches: int, scheduled: int) -> None:
        """Count what Lightning has not seen."""
        loop, fetcher = self.trainer.fit_loop.epoch_loop, self.trainer.fit_loop._data_fetcher
        assert fetcher is not None
        fetcher.fetched += batches
        fetcher.done = fetcher.length is not None and fetcher.fetched >= fetcher.length
        loop.batch_progress.increment_by(batches, is_last_batch=fetcher.done)
        loop.scheduler_progress.increment_by(scheduled)
        loop._batches_that_stepped += batches
