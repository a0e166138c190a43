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
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from ablate.diagnostics.layers import parameters_of
from ablate.diagnostics.measures import norm, update_ratio
from ablate.diagnostics.observation import Observation
from ablate.layer_table import Row, write_layers
from ablate.training.logger import EventLogger

POINTS = 5
"""So many steps of a run are looked at."""

SPACING = 50
"""A step that is looked at costs some steps more, so that there is at most one in so many."""


class LayerLog:
    """Keeps ``layers.csv`` and TensorBoard's ``layers/<layer>/<measure>`` complete and current.

    ``check`` raises where the folder is another process's by now.
    """

    def __init__(self, folder: Path, events: EventLogger, check: Callable[[], None] = lambda: None) -> None:
        self.path = folder / "layers.csv"
        self.events = events
        self.check = check
        self.rows: list[Row] = []

    def add(self, rows: Sequence[Row]) -> None:
        """Add the rows of one step."""
        self.rows += rows
        self._write(rows)

    def restore(self, rows: Sequence[Row]) -> None:
        """Continue from ``rows``, and from them alone."""
        self.rows = list(rows)
        if self.rows:
            self._write(self.rows)

    def _write(self, new: Sequence[Row]) -> None:
        self.check()
        write_layers(self.path, self.rows)
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
        self._look: _Look | None = None

    @property
    def is_looking(self) -> bool:
        """Whether the step that has begun is one of those."""
        return self._look is not None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Choose the steps."""
        total, interval = int(trainer.estimated_stepping_batches), int(trainer.val_check_interval)
        self.steps = chosen(total, max(1, interval // trainer.accumulate_grad_batches))

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Begin to look where the batch belongs to a chosen step; of several batches, at the last."""
        self._end()
        if trainer.global_step + 1 in self.steps:
            self._look = _Look(pl_module.model)  # type: ignore[arg-type]

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
            self.layers.add(self._look.rows(trainer.global_step))
        self._end()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave no hooks behind."""
        self._end()

    def _end(self) -> None:
        if self._look is not None:
            self._look.observation.close()
            self._look = None


def chosen(total: int, interval: int) -> frozenset[int]:
    """Return up to ``POINTS`` of the steps interval, 2 · interval, …, total: the first, the last, evenly between."""
    points = [*range(interval, total, interval), total]
    count = min(POINTS, len(points), max(1, total // SPACING))
    if count == 1:
        return frozenset(points[-1:])
    return frozenset(points[round(i * (len(points) - 1) / (count - 1))] for i in range(count))


class _Look:
    """At the layers in one step."""

    def __init__(self, model: nn.Module) -> None:
        self.observation = Observation(model)
        self.layers = parameters_of(model)
        self.gradients: dict[str, Tensor] = {}
        self.before: dict[str, list[Tensor]] = {}

    def take_gradients(self) -> None:
        """Measure those gradients that there are, and at the first time what the step is about to change."""
        self.observation.open = False  # an optimizer that looks at a batch more than once begins elsewhere each time
        for name, parameters in self.layers.items():
            self.before.setdefault(name, [p.detach().clone() for p in parameters])
            gradients = [p.grad for p in parameters if p.grad is not None]
            if gradients and not any(g.is_sparse for g in gradients):
                self.gradients.setdefault(name, norm(gradients))

    def rows(self, step: int) -> list[Row]:
        """Return a row for each layer, in the order in which the network called them."""
        measured = self.observation.values()
        for name, parameters in self.layers.items():
            before = self.before[name]
            found = {"weight_norm": norm(before), "update_ratio": update_ratio(before, parameters)}
            if name in self.gradients:
                found["gradient_norm"] = self.gradients[name]
            measured[name] = measured.get(name, {}) | found
        values = iter(torch.stack([v.float() for row in measured.values() for v in row.values()]).tolist())  # one wait
        table: list[Row] = []
        for name, row in measured.items():
            table.append({"step": step, "layer": name, **{key: next(values) for key in row}})
        return table
