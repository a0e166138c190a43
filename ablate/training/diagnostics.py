"""Why a run converges or does not: what happens in each layer, at a few of its steps.

For each layer, a module that holds parameters itself:

    gradient_norm     ‖g‖ of its parameters, before any clipping
    update_ratio      ‖Δw‖ / ‖w‖ of the optimizer step; about 1e-3 is healthy
    weight_norm       ‖w‖ before the step

and where it has weights, and not just a scale and a shift for each unit, of its activation (or of its output, where no
elementwise module follows) over the batch of the step:

    activation_mean, activation_std
    dead              share of units that gave one and the same number for the whole batch
    saturated         share of units whose activation was flat, |slope| < 0.01, for 95 % of the batch
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from ablate.diagnostics.look import Look
from ablate.layer_table import Row, write_layers
from ablate.module import AblationModule
from ablate.training.logger import EventLogger, Pace

POINTS = 5
"""So many steps of a run are looked at."""

SPACING = 50
"""A step that is looked at costs some steps more, so that there is at most one in so many."""


class LayerLog:
    """Keeps ``layers.csv``, with a pause between, and TensorBoard's ``layers/<layer>/<measure>`` whole and current.

    ``check`` raises where the folder is another process's by now.
    """

    def __init__(self, folder: Path, events: EventLogger, check: Callable[[], None] = lambda: None) -> None:
        self.path = folder / "layers.csv"
        self.events = events
        self.check = check
        self.rows: list[Row] = []
        self._pace = Pace()
        self._new = False

    def add(self, rows: Sequence[Row]) -> None:
        """Add the rows of one step; they are on disk some time later, by :meth:`finish` at the latest."""
        self.rows += rows
        self._tell(rows)
        self._new = True
        if self._pace.is_due():
            self.finish()

    def restore(self, rows: Sequence[Row]) -> None:
        """Continue from ``rows``, and from them alone."""
        self.rows = list(rows)
        if self.rows:
            self._tell(self.rows)
            self._new = True
            self.finish()

    def finish(self) -> None:
        """Write the table, where there is anything new."""
        if self._new:
            self.check()
            write_layers(self.path, self.rows)
            self._new = False

    def _tell(self, new: Sequence[Row]) -> None:
        points: dict[int, dict[str, float]] = {}
        for row in new:
            values = {f"layers/{row['layer']}/{k}": float(v) for k, v in row.items() if k not in ("step", "layer")}
            points.setdefault(int(row["step"]), {}).update(values)
        for step, point in points.items():
            self.events.add(point, step)


class Diagnostics(Callback):
    """Measures the layers at a few steps, those of the curves' points where these are whole optimizer steps.

    It looks and changes nothing: a run comes out to the bit as without it.
    """

    def __init__(self, layers: LayerLog) -> None:
        self.layers = layers
        self.steps: frozenset[int] = frozenset()
        self.is_due = False
        """Whether the step that has begun is one of those."""
        self.is_told = False
        """Whether whoever trains the step says when to look, or has looked."""
        self.seen: list[Row] = []
        """What was seen of the step, by whoever has looked."""
        self._look: Look | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Choose the steps."""
        total, interval = int(trainer.estimated_stepping_batches), int(trainer.val_check_interval)
        self.steps = chosen(total, max(1, interval // trainer.accumulate_grad_batches))

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Begin to look where the batch belongs to a chosen step; of several batches, at the last."""
        self._end()
        self.is_due = trainer.global_step + 1 in self.steps
        if not self.is_told:
            self.begin(cast(AblationModule, pl_module).model)

    def begin(self, model: nn.Module) -> None:
        """Look from here on, if the step is one to look at."""
        if self.is_due:
            self._look = Look(model)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Measure the gradients, of each player of several its own."""
        if self._look is not None:
            self._look.take_gradients()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure the update and write, where there was a step."""
        if self._look is not None and trainer.global_step in self.steps and self._look.gradients:
            (self.seen,) = self._look.tables(trainer.global_step)
        if self.seen:
            self.layers.add(self.seen)
        self._end()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what there is."""
        self.layers.finish()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave no hooks behind, and nothing unwritten."""
        self._end()
        self.layers.finish()

    def _end(self) -> None:
        self.is_due, self.seen = False, []
        if self._look is not None:
            self._look.close()
            self._look = None


def chosen(total: int, interval: int) -> frozenset[int]:
    """Return up to ``POINTS`` of the steps interval, 2 · interval, …, total: the first, the last, evenly between."""
    points = [*range(interval, total, interval), total]
    count = min(POINTS, len(points), max(1, total // SPACING))
    if count == 1:
        return frozenset(points[-1:])
    return frozenset(points[round(i * (len(points) - 1) / (count - 1))] for i in range(count))
