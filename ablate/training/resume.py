"""Checkpoints between two batches, from which an interrupted run goes on to the bit.

A run is saved at one kind of moment only: a batch is about to begin, and whatever belongs to the one before, its
optimizer step, its point of the curves, ``best.ckpt``, is done. So a checkpoint never lies within a validation, an
accumulated step, or the hooks of a batch.
"""

from __future__ import annotations

import signal
import threading
import time
from typing import Any, cast

import lightning.pytorch as pl
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from ablate.dataset import Batches
from ablate.layer_table import Row
from ablate.module import AblationModule, Interval
from ablate.random_state import random_state, set_random_state
from ablate.record import Record
from ablate.stop import Stop
from ablate.training.checkpoints import KEY, LAST, Saved, identity
from ablate.training.clock import Clock
from ablate.training.diagnostics import LayerLog
from ablate.training.logger import CurveLogger, EventLogger


class Stopped(Exception):  # noqa: N818  # no error
    """The run was asked to stop; its checkpoint is on disk."""


class Resume(Callback):
    """Saves ``last.ckpt`` every ``seconds``, and at once when ``stop`` is requested; continues where one was saved.

    Stands first among the callbacks, so that none of them has begun the batch.
    """

    def __init__(
        self,
        record: Record,
        seconds: float,
        stop: Stop,
        clock: Clock,
        saved: Saved | None,
        curves: CurveLogger,
        events: EventLogger,
        layers: LayerLog,
    ) -> None:
        self.path = record.folder / LAST
        self.identity = identity(record)
        self.facts = record.facts
        self.seconds = seconds
        self.stop = stop
        self.curves = curves
        self.events = events
        self.layers = layers
        self.handler = signal.getsignal(signal.SIGTERM)
        self.clock = clock
        self._began = clock() - (saved.seconds if saved else 0.0)
        self._saved = time.monotonic()
        self._between_batches = False
        self._ended: dict[str, Any] | None = None
        self._loaded: dict[str, Any] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the right batch, and take SIGTERM back from Lightning, which would end without a checkpoint."""
        self._saved = time.monotonic()
        if self._loaded is not None and isinstance(batches := trainer.train_dataloader, Batches):
            # Lightning forgets to where the schedule had to know the number of batches before
            batches.load_state_dict(self._loaded["batches"])
        self._take_back()

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take SIGTERM back from Lightning, which registers its own handler for the test anew."""
        self._take_back()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Restore what is restored last, or save what is due."""
        module = cast(AblationModule, pl_module)
        if self._loaded is not None:
            own = self._loaded["ranks"][trainer.global_rank]
            set_random_state(own["random"], _roots(trainer, self))
            module.interval = _interval(own["interval"], module)
            trainer.fit_loop.epoch_loop._batches_that_stepped = self._loaded["stepped"]
            self._loaded = None
        if batch_idx % trainer.accumulate_grad_batches:
            return
        # looked at once, so that no request comes between the checkpoint and the end, and by the first process for all
        asked = self.stop.requested, time.monotonic() - self._saved >= self.seconds
        requested, due = trainer.strategy.broadcast(asked) if trainer.world_size > 1 else asked
        if requested or due:
            self._save(trainer)
        if requested:
            raise Stopped

    def is_asked(self) -> bool:
        """Whether a checkpoint is due, or a stop requested."""
        return time.monotonic() - self._saved >= self.seconds or self.stop.requested

    def on_test_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Stop where asked to."""
        self.end_if_asked()

    def end_if_asked(self) -> None:
        """Stop where asked to, in a test: the checkpoint of the whole training is on disk by now."""
        if self.stop.requested:
            raise Stopped

    def save_end(self, trainer: pl.Trainer, *, optimizer_state_bytes: int) -> None:
        """Save the end of training: what is left of the run is its test."""
        self._ended = {"optimizer_state_bytes": optimizer_state_bytes}
        trainer.save_checkpoint(self.path)
        self._ended = None

    def _take_back(self) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self.handler)

    def _save(self, trainer: pl.Trainer) -> None:
        self._between_batches = True
        try:
            trainer.save_checkpoint(self.path)
        finally:
            self._between_batches = False
        self._saved = time.monotonic()

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what Lightning does not keep, to ``last.ckpt`` only."""
        module = cast(AblationModule, pl_module)
        kept = {
            "identity": self.identity,
            "seconds": self.clock() - self._began,
            "rows": list(self.curves.rows.values()),
            "layers": list(self.layers.rows),
            "ended": self._ended is not None,
        }
        if self._ended is not None:
            checkpoint[KEY] = kept | self._ended | {"diverged": module.diverged}
        elif self._between_batches:
            checkpoint[KEY] = kept | {
                "ranks": _of_all(
                    {"random": random_state(_roots(trainer, self)), "interval": _kept(module)},
                    trainer.world_size,
                ),
                "stepped": trainer.fit_loop.epoch_loop._batches_that_stepped,
            }
            _unbegin(checkpoint["loops"]["fit_loop"])

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take the curves up to here; the rest waits for the first batch, after all set-up has drawn its numbers."""
        if KEY in checkpoint:  # best.ckpt, which is tested, has none
            (batches,) = checkpoint["loops"]["fit_loop"]["state_dict"]["combined_loader"]
            self._loaded = checkpoint[KEY] | {"batches": batches}
            self.restore_curves(checkpoint[KEY]["rows"], checkpoint[KEY].get("layers", []))

    def restore_curves(self, rows: list[dict[str, float]], layers: list[Row]) -> None:
        """Write curves and layers as they were, rows that came later left out, and TensorBoard's events anew."""
        self.curves.restore(rows)
        self.events.restore(rows)
        self.layers.restore(layers)


def _roots(trainer: pl.Trainer, own: Callback) -> list[object]:
    """Return what may keep random generators of its own."""
    others = [callback for callback in cast(Any, trainer).callbacks if callback is not own]
    return [trainer.lightning_module, *others, *trainer.optimizers]


def _of_all(own: dict[str, Any], world: int) -> list[dict[str, Any]]:
    """Return what each process keeps for itself, in the order of their ranks; all of them have to call this."""
    kept = [own] * world
    if world > 1:
        dist.all_gather_object(kept, own)
    return kept


def _unbegin(loop: dict[str, Any]) -> None:
    """Change the state of Lightning's loop from "a batch has been fetched" to "a batch is to be fetched"."""
    progress = loop["epoch_loop.batch_progress"]
    for count in (progress["total"], progress["current"]):
        count["ready"] = count["completed"]
    progress["is_last_batch"] = False
    (loader,) = loop["state_dict"]["combined_loader"]
    loader["batch"] -= 1


def _kept(module: AblationModule) -> dict[str, Any]:
    interval = module.interval
    elapsed = module.clock() - interval.started
    sums = {name: total.cpu() for name, total in interval.sums.items()}  # a process may not reach another's device
    norm = None if interval.grad_norm is None else interval.grad_norm.cpu()
    return {**vars(interval), "sums": sums, "grad_norm": norm, "started": elapsed}


def _interval(kept: dict[str, Any], module: AblationModule) -> Interval:
    def here(value: Any) -> Any:
        return value.to(module.device) if isinstance(value, Tensor) else value

    sums = {name: here(total) for name, total in kept["sums"].items()}
    started = module.clock() - kept["started"]
    return Interval(**{**kept, "sums": sums, "grad_norm": here(kept["grad_norm"]), "started": started})
