"""A point of the curves: what Lightning's loop of validation does, without what it does for nobody.

Lightning fetches, calls hooks and keeps books for every batch and every metric of a validation. Where nobody listens to
these, what is left of it is the evaluation, and the hooks at its end.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loops.evaluation_loop import _EvaluationLoop
from lightning.pytorch.plugins.precision import DoublePrecision
from lightning.pytorch.trainer.call import _call_callback_hooks
from lightning.pytorch.trainer.states import RunningStage, TrainerFn

from ablate.dataset import Batches
from ablate.module import AblationModule
from ablate.training.chunk import Chunks, overrides
from ablate.training.resume import Resume

BEFORE_THE_END = (
    "on_validation_start",
    "on_validation_epoch_start",
    "on_validation_batch_start",
    "on_validation_batch_end",
    "on_validation_epoch_end",
)
"""The hooks of callbacks that are not called; at the end of a validation, where nobody may log, each has its turn."""

IN_A_TEST = tuple(name for name in dir(Callback) if name.startswith("on_test_"))

OF_MODULE = (*BEFORE_THE_END, "validation_step", "on_validation_model_eval", "on_validation_model_train")


def possible(trainer: pl.Trainer, module: AblationModule) -> bool:
    """Return whether nobody would miss what a point leaves out, where chunks are possible."""
    return not any(
        overrides(callback, Callback, hook) for callback in cast(Any, trainer).callbacks for hook in BEFORE_THE_END
    ) and not any(overrides(module, AblationModule, hook) for hook in OF_MODULE)


def test(trainer: pl.Trainer, module: AblationModule, batches: Batches) -> dict[str, float]:
    """Return the test metrics of the network as it is: by Lightning, where it has anything to do for somebody."""
    chunks = trainer.fit_loop.epoch_loop.automatic_optimization
    heard = any(overrides(c, Callback, hook) for c in _others(trainer) for hook in IN_A_TEST)
    own = any(overrides(module, AblationModule, hook) for hook in (*IN_A_TEST, "test_step"))
    if heard or own or not isinstance(chunks, Chunks) or not chunks.is_at_home:
        (found,) = trainer.test(module, batches, verbose=False)
        return dict(found)
    with torch.inference_mode():
        module.eval()
        for number, batch in enumerate(batches):
            chunks.resume.end_if_asked()
            module.test_step(batch, number)
        found = {f"test/{name}": float(value) for name, value in module.test_metrics.compute().items()}
    for logger in trainer.loggers:
        logger.log_metrics(found, trainer.global_step)
    return found


def _others(trainer: pl.Trainer) -> list[Callback]:
    """Return the callbacks that do not know of points."""
    return [callback for callback in cast(Any, trainer).callbacks if not isinstance(callback, Resume)]


class Points(_EvaluationLoop):
    """Takes the place of Lightning's loop of validation; keeps its counters."""

    def __init__(self, trainer: pl.Trainer, batches: Batches) -> None:
        super().__init__(trainer, TrainerFn.FITTING, RunningStage.VALIDATING, verbose=False, inference_mode=False)
        self.batches = batches

    @property
    def chunks(self) -> Chunks:
        """What trains; it is no part of this loop, of which Lightning keeps every part in checkpoints."""
        return cast(Chunks, self.trainer.fit_loop.epoch_loop.automatic_optimization)

    @torch.no_grad()
    def run(self) -> list[Any]:
        """Evaluate, and tell module and callbacks."""
        trainer, module = self.trainer, self.chunks.module
        self.setup_data()
        self.batch_progress.reset_on_run()
        module.on_validation_start()
        self._evaluate(module)
        self.batch_progress.increment_by(len(self.batches), is_last_batch=True)
        self._restarting, self._has_run = False, True
        module.on_validation_epoch_end()
        _call_callback_hooks(trainer, "on_validation_end")
        module.on_validation_end()
        return []

    def _evaluate(self, module: AblationModule) -> None:
        """Update the metrics; of a run that trains in step by what its stack has made of all members' examples."""
        if self.chunks.evaluated:
            for each in self.chunks.evaluated:
                module.update(module.val_metrics, each)
            return
        plugin = self.trainer.precision_plugin
        self._module_mode.capture(module)
        module.eval()
        with plugin.val_step_context() if type(plugin) is DoublePrecision else nullcontext():
            for number, batch in enumerate(self.batches):
                module.validation_step(self.chunks.placed(batch), number)
        self._module_mode.restore(module)
