"""The one LightningModule: loss and penalties, metrics by task, optimizer and schedule from the kit.

Nothing is logged on the hot path. Training statistics accumulate on the device and are logged together with
the validation metrics, on an axis of optimizer steps.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import LRSchedulerConfigType, OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import (
    Accuracy,
    JaccardIndex,
    MeanAbsoluteError,
    MeanMetric,
    Metric,
    MetricCollection,
    R2Score,
)

from ablate.dataset import Examples
from ablate.techniques import Criterion, DataSpec, Optimizer, Regularizer, Schedule, Task


class Judge(NamedTuple):
    """The validation metric that a task is judged by."""

    metric: str
    higher_is_better: bool


JUDGES = {
    Task.classification: Judge("acc", True),
    Task.regression: Judge("r2", True),
    Task.segmentation: Judge("miou", True),
}


class ScaledMeanAbsoluteError(MeanAbsoluteError):
    """Mean absolute error in the unit of the raw targets: mean of scale · |prediction - target|, scale (targets,)."""

    scale: Tensor

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale, persistent=False)

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add a batch, both (B, targets)."""
        super().update(preds * self.scale, target * self.scale)


def metrics_for(spec: DataSpec, target_scale: Tensor) -> MetricCollection:
    """Return the metrics of a task: accuracy · R2 and mean absolute error · mean intersection over union."""
    metrics: dict[str, Metric | MetricCollection]
    if spec.task is Task.classification:
        metrics = {"acc": Accuracy(task="multiclass", num_classes=spec.outputs, validate_args=False)}
    elif spec.task is Task.regression:
        metrics = {"r2": R2Score(), "mae": ScaledMeanAbsoluteError(target_scale)}
    else:
        metrics = {"miou": JaccardIndex(task="multiclass", num_classes=spec.outputs, validate_args=False)}
    # By default NaN is dropped from the mean, but a diverged run must show; nan_strategy="disable" loses the weights.
    return MetricCollection({"loss": MeanMetric(nan_strategy=math.nan), **metrics})


@dataclass
class Interval:
    """What has been gathered since the last point of the curves; tensors stay on the device."""

    batches: int = 0
    loss: Tensor | float = 0.0
    penalty: Tensor | None = None
    grad_norm: Tensor | None = None
    started: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0

    def scalars(self) -> dict[str, Tensor]:
        """Return the means over the interval, as the curves name them; nothing where no batch was trained."""
        if not self.batches:
            return {}
        found = {
            "train/loss": torch.as_tensor(self.loss) / self.batches,
            "time/step": torch.tensor(self.seconds / self.batches),
        }
        if self.penalty is not None:
            found["train/penalty"] = self.penalty / self.batches
        if self.grad_norm is not None:
            found["grad_norm"] = self.grad_norm
        return found


class AblationModule(pl.LightningModule):
    """Trains ``model`` with the chosen techniques.

    Scalars: ``train/loss`` (mean since the last point, penalties left out), ``train/penalty`` where a
    regularizer has one, ``val/loss`` and the task's ``val/…`` metrics, ``lr``, ``grad_norm`` (of the last
    optimizer step before the point) and ``time/step`` (seconds, validation left out).
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        spec: DataSpec,
        loss: Criterion,
        opt: Optimizer,
        sched: Schedule,
        reg: Mapping[str, Regularizer],
        target_scale: Tensor,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.model = model
        self.spec = spec
        self.criterion = loss
        self.opt = opt
        self.sched = sched
        self.reg = [reg[name] for name in sorted(reg)]
        self.val_metrics = metrics_for(spec, target_scale)
        self.test_metrics = metrics_for(spec, target_scale)
        self.judge = JUDGES[spec.task]
        self.diverged = False
        self._budget = 0
        self._generator = torch.Generator().manual_seed(seed)
        self._interval = Interval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the model's prediction for (B, *input_shape)."""
        prediction: Tensor = self.model(x)
        return prediction

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build optimizer and schedule.

        The schedule moves with every optimizer step; a ``ReduceLROnPlateau`` with every point of the curves, by
        the metric that the task is judged by, in whichever direction its mode takes for better.
        """
        optimizer = self.opt.build(self.model.parameters())
        schedule = self.sched.build(optimizer, int(self.trainer.estimated_stepping_batches))
        if schedule is None:
            return optimizer
        if isinstance(schedule, ReduceLROnPlateau):
            # Lightning keeps it, but never steps it: it counts epochs, or batches within one, not points of the curves.
            monitor = f"val/{self.judge.metric}"
            kept: LRSchedulerConfigType = {"scheduler": schedule, "monitor": monitor, "frequency": sys.maxsize}
            return {"optimizer": optimizer, "lr_scheduler": kept}
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def training_step(self, batch: Examples, batch_idx: int) -> Tensor:
        """Return the loss of a batch, penalties included."""
        x, y = batch
        for reg in self.reg:
            x, y = reg.transform(x, y, self.spec, self._generator)
        loss = self.criterion(self.model(x), y)
        interval = self._interval
        interval.batches += 1
        interval.loss = interval.loss + loss.detach()
        penalties = [p for reg in self.reg if (p := reg.penalty(self.model)) is not None]
        if penalties:
            penalty = torch.stack(penalties).sum()
            interval.penalty = penalty.detach() + (0.0 if interval.penalty is None else interval.penalty)
            loss = loss + penalty
        return loss

    def on_before_optimizer_step(self, _: torch.optim.Optimizer) -> None:
        """Measure the gradient before the last step of each interval (of every step where batches accumulate)."""
        last = self._interval.batches == self.trainer.val_check_interval or self.trainer.global_step + 1 == self._budget
        if last or self.trainer.accumulate_grad_batches > 1:
            gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
            self._interval.grad_norm = torch.nn.utils.get_total_norm(gradients)

    def on_train_start(self) -> None:
        """Start the clock of the first interval."""
        self._interval = Interval()
        self._budget = int(self.trainer.estimated_stepping_batches)

    def on_train_batch_end(self, outputs: Any, batch: Examples, batch_idx: int) -> None:
        """Ask for a last point of the curves where the budget ends between two: Lightning measures before it stops."""
        if self.trainer.global_step >= self._budget:
            self.trainer.should_stop = True

    def on_validation_start(self) -> None:
        """Stop the clock of the training steps."""
        self._interval.seconds = time.perf_counter() - self._interval.started

    def validation_step(self, batch: Examples, batch_idx: int) -> None:
        """Update the validation metrics."""
        self._evaluate(batch, self.val_metrics)

    def on_validation_epoch_end(self) -> None:
        """Log one point of every curve."""
        point = {f"val/{name}": value for name, value in self.val_metrics.compute().items()}
        self.val_metrics.reset()
        if isinstance(plateau := self.lr_schedulers(), ReduceLROnPlateau):
            judged = point[f"val/{self.judge.metric}"]
            plateau.step(judged if self.judge.higher_is_better is (plateau.mode == "max") else -judged)
        point |= self._interval.scalars()
        if (rate := self.trainer.optimizers[0].param_groups[0].get("lr")) is not None:  # some rules have none
            point["lr"] = torch.tensor(rate)
        # Lightning takes "step" as the axis of its loggers; its own count would be one less.
        self.log_dict(point | {"step": torch.tensor(float(self.trainer.global_step))})
        if not all(math.isfinite(float(point[name])) for name in ("val/loss", "train/loss") if name in point):
            self.diverged = True
            self.trainer.should_stop = True

    def on_validation_end(self) -> None:
        """Start the next interval."""
        self._interval = Interval()

    def test_step(self, batch: Examples, batch_idx: int) -> None:
        """Update the test metrics."""
        self._evaluate(batch, self.test_metrics)

    def on_test_epoch_end(self) -> None:
        """Log the test metrics."""
        self.log_dict({f"test/{name}": value for name, value in self.test_metrics.compute().items()})
        self.test_metrics.reset()

    def _evaluate(self, batch: Examples, metrics: MetricCollection) -> None:
        x, y = batch
        prediction = self.model(x)
        for name, metric in metrics.items():
            if name == "loss":
                metric.update(self.criterion(prediction, y), weight=len(x))
            else:
                metric.update(prediction, y)
