"""The LightningModule: loss and penalties, metrics by task, optimizer and schedule from the kit.

Nothing is logged on the hot path. Training statistics accumulate on the device and are logged together with
the validation metrics, on an axis of optimizer steps.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import (
    LRSchedulerConfigType,
    LRSchedulerPLType,
    OptimizerConfig,
    OptimizerLRScheduler,
    OptimizerLRSchedulerConfig,
)
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import MetricCollection

from ablate import sharing
from ablate.dataset import Examples
from ablate.judges import JUDGES
from ablate.metrics import metrics_for
from ablate.objective import Objective


@dataclass
class Interval:
    """What has been gathered since the last point of the curves; tensors stay on the device."""

    batches: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)
    grad_norm: Tensor | None = None
    started: float = 0.0
    seconds: float = 0.0

    def add(self, name: str, value: Tensor) -> None:
        """Add a batch's value to the curve of ``name``."""
        self.sums[name] = self.sums[name] + value.detach() if name in self.sums else value.detach()

    def scalars(self) -> dict[str, Tensor]:
        """Return the means over the interval, as the curves name them; nothing where no batch was trained."""
        if not self.batches:
            return {}
        found = {name: total / self.batches for name, total in self.sums.items()}
        found["time/step"] = torch.tensor(self.seconds / self.batches)
        if self.grad_norm is not None:
            found["grad_norm"] = self.grad_norm
        return found


class Evaluated(NamedTuple):
    """What a network has made of a batch: predictions and targets (B, …), and their loss."""

    prediction: Tensor
    target: Tensor
    loss: Tensor


class AblationModule(Objective, pl.LightningModule):
    """Trains ``model`` with the chosen techniques; a model with a training procedure of its own brings a subclass.

    A subclass may override :meth:`outcome`, :meth:`evaluate`, and, with manual optimization, :meth:`training_step`
    and :meth:`configure_optimizers`. Lightning counts what goes through the optimizers it hands out, and that has to
    be one step a batch: every other update goes through ``self.trainer.strategy.optimizer_step``.

    Scalars: ``train/loss`` (mean since the last point, penalties left out), ``train/penalty`` where a
    regularizer has one, ``val/loss`` and the task's ``val/…`` metrics, ``lr``, ``grad_norm`` (of the last
    optimizer step before the point) and ``time/step`` (seconds, validation left out).
    """

    def __init__(self, model: nn.Module, *, target_scale: Tensor, **techniques: Any) -> None:
        super().__init__(model, **techniques)
        self.val_metrics = metrics_for(self.spec, target_scale)
        self.test_metrics = metrics_for(self.spec, target_scale)
        self.judge = JUDGES[self.spec.task]
        self.diverged = False
        self._budget = 0
        self.clock: Callable[[], float] = time.perf_counter
        """Counts the seconds of the curve ``time/step``."""
        self.interval = Interval()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build optimizer and schedule."""
        return self.optimizer_of(self.model.parameters())

    def optimizer_of(self, parameters: Iterable[nn.Parameter]) -> OptimizerConfig | OptimizerLRSchedulerConfig:
        """Return an optimizer of ``parameters`` with its schedule.

        The schedule moves with every optimizer step; a ``ReduceLROnPlateau`` with every point of the curves, by
        the metric that the task is judged by, in whichever direction its mode takes for better.
        """
        optimizer = self.optimizer_for(p for p in parameters if p.requires_grad)
        schedule = self.sched.build(optimizer, int(self.trainer.estimated_stepping_batches))
        if schedule is None:
            return {"optimizer": optimizer}
        kept: LRSchedulerConfigType = {"scheduler": schedule}
        if isinstance(schedule, ReduceLROnPlateau):
            # Lightning keeps it, but never steps it: it counts epochs, or batches within one, not points of the curves.
            kept |= {"monitor": f"val/{self.judge.metric}", "frequency": sys.maxsize}
        elif self.automatic_optimization:
            kept |= {"interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": kept}

    def schedules(self) -> list[LRSchedulerPLType]:
        """Return the schedules of all optimizers."""
        found = self.lr_schedulers()
        return found if isinstance(found, list) else [] if found is None else [found]

    def training_step(self, batch: Examples, batch_idx: int) -> Tensor:
        """Return the loss of a batch, penalties included."""
        _, loss = self.outcome(*self.transformed(batch))
        if sharing.shared():
            loss = loss * sharing.weight(len(batch.x), loss.device)
        self.interval.batches += 1
        self.interval.add("train/loss", loss)
        if (penalty := self.penalty()) is not None:
            self.interval.add("train/penalty", penalty)
            loss = loss + penalty
        return loss

    def on_before_optimizer_step(self, _: torch.optim.Optimizer) -> None:
        """Measure the gradient before the last step of each interval (of every step where batches accumulate)."""
        if self.is_last_step or self.trainer.accumulate_grad_batches > 1:
            gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
            self.interval.grad_norm = torch.nn.utils.get_total_norm(gradients)

    @property
    def is_last_step(self) -> bool:
        """Whether a point of the curves follows the optimizer step that is about to be taken."""
        trainer = self.trainer
        return self.interval.batches == trainer.val_check_interval or trainer.global_step + 1 == self._budget

    def on_train_start(self) -> None:
        """Start the clock of the first interval."""
        self.interval = Interval(started=self.clock())
        self._budget = int(self.trainer.estimated_stepping_batches)

    def on_train_batch_end(self, outputs: Any, batch: Examples, batch_idx: int) -> None:
        """Ask for a last point of the curves where the budget ends between two: Lightning measures before it stops."""
        if self.trainer.global_step >= self._budget:
            self.trainer.should_stop = True

    def on_validation_start(self) -> None:
        """Stop the clock of the training steps."""
        self.interval.seconds = self.clock() - self.interval.started

    def validation_step(self, batch: Examples, batch_idx: int) -> None:
        """Update the validation metrics."""
        self.evaluate(batch, self.val_metrics)

    def on_validation_epoch_end(self) -> None:
        """Log one point of every curve."""
        point = {f"val/{name}": value for name, value in self.val_metrics.compute().items()}
        self.val_metrics.reset()
        judged = point[f"val/{self.judge.metric}"]
        for schedule in self.schedules():
            if isinstance(schedule, ReduceLROnPlateau):
                schedule.step(judged if self.judge.higher_is_better is (schedule.mode == "max") else -judged)
        scalars = self.interval.scalars()
        point |= sharing.means(scalars, self.device) if scalars and sharing.shared() else scalars
        if (rate := self.trainer.optimizers[0].param_groups[0].get("lr")) is not None:  # some rules have none
            point["lr"] = torch.tensor(rate)
        self._publish(point)
        if not all(math.isfinite(float(point[name])) for name in ("val/loss", "train/loss") if name in point):
            self.diverged = True
            self.trainer.should_stop = True

    def _publish(self, point: dict[str, Tensor]) -> None:
        """Give a point of the curves to callbacks and loggers: ``log_dict``, without its sums over batches."""
        trainer, step = self.trainer, self.trainer.global_step
        if trainer._results:
            # Somebody else logs. Lightning takes "step" as the axis of its loggers; its own count would be one less.
            self.log("step", float(step))
        trainer.callback_metrics.update(point)
        trainer.logged_metrics.update(point)
        scalars = {name: float(value) for name, value in point.items()}
        for logger in trainer.loggers:
            logger.log_metrics(scalars, step)
            logger.save()

    def on_validation_end(self) -> None:
        """Start the next interval."""
        self.interval = Interval(started=self.clock())

    def test_step(self, batch: Examples, batch_idx: int) -> None:
        """Update the test metrics."""
        self.evaluate(batch, self.test_metrics)

    def on_test_epoch_end(self) -> None:
        """Log the test metrics."""
        self.log_dict({f"test/{name}": value for name, value in self.test_metrics.compute().items()})
        self.test_metrics.reset()

    def evaluate(self, batch: Examples, metrics: MetricCollection) -> None:
        """Update ``metrics``, those of :func:`ablate.metrics.metrics_for`, by a batch."""
        prediction, loss = self.outcome(*batch)
        self.update(metrics, Evaluated(prediction, batch.y, loss))

    @staticmethod
    def update(metrics: MetricCollection, of: Evaluated) -> None:
        """Give the loss of a batch to the mean of losses, prediction and target to every other metric."""
        for name, metric in metrics.items():
            if name == "loss":
                metric.update(of.loss, weight=len(of.prediction))
            else:
                metric.update(of.prediction, of.target)
