"""One run: train, keep the record, never twice, and go on where it was interrupted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from torch import Tensor

from ablate.accounting.layers import account
from ablate.accounting.memory import state_bytes
from ablate.assembly import build
from ablate.config import Config
from ablate.data_report import data_facts
from ablate.dataset import Batches, Examples, prepare, training_batches
from ablate.errors import ConfigError
from ablate.module import AblationModule
from ablate.random_state import isolated
from ablate.record import Record, Status, open_record
from ablate.stop import Stop, signals_request
from ablate.tasks import DATA_TASKS, Task
from ablate.training import chunk, points
from ablate.training.attempt import recorded
from ablate.training.checkpoints import BestWeights, Saved, WholeFiles, load, usable
from ablate.training.clock import Clock
from ablate.training.diagnostics import Diagnostics, LayerLog
from ablate.training.lockstep import Company
from ablate.training.logger import CurveLogger, EventLogger
from ablate.training.machine import machine
from ablate.training.process import process_state, quiet
from ablate.training.ranks import Ranks, together
from ablate.training.resume import Resume
from ablate.training.trackers import tracked

EVALUATION_BATCH = 1024  # evaluation needs no gradients: larger batches, fewer calls


def run(
    config: Config,
    *,
    stop: Stop | None = None,
    wait: bool = False,
    again: bool = False,
    overrides: Sequence[str] = (),
    command: str | None = None,
    company: Company | None = None,
) -> Record:
    """Train the run that ``config`` describes, from its last checkpoint, unless its record says that it is done.

    With ``again`` it is trained, and from its beginning, even so.
    Returns its record. Where another process is training it, raises ``BusyError`` or, with ``wait``, waits for its
    end. A request to ``stop``, without one Ctrl-C or SIGTERM, saves a checkpoint and raises ``KeyboardInterrupt``;
    whatever training raises is passed on, once status and traceback are in the record. ``overrides``, which compose
    the run, and ``command``, what the person typed, are for the record. With ``company`` it is one of the runs that
    train in step.
    """
    record = open_record(config)
    if record.is_done and not again:
        return record
    attempts = len(record.facts.attempts)
    own = stop is None
    stop = stop or Stop()
    with signals_request(stop) if own else nullcontext(), record.lock(wait=wait, stop=stop):
        record.reload()  # another process may have finished it between the look and the lock
        if stop.requested:
            raise KeyboardInterrupt
        again = again and len(record.facts.attempts) == attempts  # else another process has done it meanwhile
        if again or not record.is_done:
            if record.damage:
                record.set_aside("record.json", record.damage)
            if not again and record.facts.status.done and (record.folder / "metrics.csv").exists():
                record.set_aside("metrics.csv", "it is not the table that was written")
            saved, clock = None if again else usable(record), Clock()
            with (
                recorded(record, config, clock, saved, overrides, command),
                quiet(),
                process_state(config.trainer.threads),
                together(config, saved) as ranks,
                tracked(config, record.facts) as others,
            ):
                train(record, config, stop, clock, saved, ranks, company, others)
    if own and stop.requested:  # too late for the run, but whoever asked meant all that follows too
        raise KeyboardInterrupt
    return record


def train(
    record: Record,
    config: Config,
    stop: Stop,
    clock: Clock,
    saved: Saved | None,
    ranks: Ranks | None = None,
    company: Company | None = None,
    others: Sequence[Logger] = (),
) -> None:
    """Train the network and test its best weights, each of ``ranks`` on its share; the facts are left in ``record``."""
    facts = record.facts
    pl.seed_everything(config.seed, verbose=False)
    dataset = prepare(config.data, config.seed)
    module = build(config, dataset)
    module.clock = clock
    if ranks and not module.automatic_optimization:
        raise ConfigError(f"trainer.devices={ranks.world}: {type(module).__name__} steps its optimizers itself.")
    facts.metric, facts.higher_is_better = f"val/{module.judge.metric}", module.judge.higher_is_better
    facts.parameters = sum(p.numel() for p in module.model.parameters())
    facts.data = data_facts(config.data, dataset)
    facts.transfer = asdict(module.transfer) if module.transfer else None
    facts.replaced = asdict(module.replaced) if module.replaced else None
    facts.macs = macs(module, dataset.splits.train.x[0], facts.arm_hash)
    train = training_batches(dataset.splits.train, config.data, config.seed)
    val, test = (Batches(split, max(train.batch_size, EVALUATION_BATCH)) for split in dataset.splits[1:])
    facts.budget, facts.chance = config.trainer.steps(len(train)), chance(module, dataset.splits.val)
    if ranks:
        for batches in (train, val, test):
            batches.share(ranks.rank, ranks.world)
    events = EventLogger(record.folder, silent="tensorboard" not in config.logger)
    loggers = CurveLogger(record.folder, record.check_held), events
    layers = LayerLog(record.folder, loggers[1], record.check_held)
    resume = Resume(record, config.trainer.checkpoint_seconds, stop, clock, saved, *loggers, layers)
    trainer = _trainer(config, record, train, val, module, resume, ranks, company, others)
    if saved and saved.ended:
        resume.restore_curves(saved.rows, saved.layers)
        module.diverged, step = saved.diverged, saved.step
        facts.optimizer_state_bytes = saved.optimizer_state_bytes
    else:
        # Lightning does it after loading what was kept, and so rounds it
        trainer.precision_plugin.convert_module(module)
        trainer.fit(module, train, val, ckpt_path=saved.path if saved else None, weights_only=True)
        step = trainer.global_step
        facts.optimizer_state_bytes = sum(map(state_bytes, trainer.optimizers))
        resume.save_end(trainer, optimizer_state_bytes=facts.optimizer_state_bytes)
    if module.diverged:
        facts.status = Status.diverged
        facts.error = f"The loss was no longer finite at step {step}."
        return
    # Loaded here, not by Lightning: there, a callback that averages weights puts back those that it averaged.
    module.load_state_dict(load(record.checkpoint)["state_dict"])
    tested = points.test(trainer, module, test)
    facts.test = {name: float(value) if math.isfinite(value) else None for name, value in tested.items()}
    facts.status = Status.finished


_MACS: dict[tuple[str, type, str], int] = {}


def macs(module: AblationModule, example: Tensor, arm_hash: str) -> int | None:
    """Return the multiply-adds of the network on an example, counted once for all seeds; None where that fails."""
    key = arm_hash, type(module.model), str(module.model)
    # a network that cannot be counted can still be trained, and what it draws must not depend on who was counted
    with suppress(Exception), isolated():
        if key not in _MACS:
            _MACS[key] = account(module.model, example, receptive_fields=False).macs
        return _MACS[key]
    return None


def chance(module: AblationModule, examples: Examples) -> float | None:
    """Return the loss of outputs that are all zero; None where the loss is not one of outputs against targets."""
    y, spec = examples.y, module.spec
    pixels = y.shape[1:] if spec.task is Task.segmentation else ()
    with suppress(Exception):  # whatever a plugin's loss asks of its input
        loss = float(module.criterion(torch.zeros(len(y), spec.outputs, *pixels), y))
        return loss if math.isfinite(loss) and spec.task in DATA_TASKS else None
    return None


def _trainer(
    config: Config,
    record: Record,
    train: Batches,
    val: Batches,
    module: AblationModule,
    resume: Resume,
    ranks: Ranks | None,
    company: Company | None,
    others: Sequence[Logger],
) -> pl.Trainer:
    """Return Lightning's Trainer: curves at evenly spaced points, the best and the last weights kept."""
    t = config.trainer
    budget = t.max_epochs * len(train) if t.max_steps is None else t.max_steps * t.accumulate_grad_batches
    # whole optimizer steps in every interval; the module asks for one more point where the budget ends
    interval = -(-budget // (t.validations * t.accumulate_grad_batches)) * t.accumulate_grad_batches
    judged = record.facts.metric, record.facts.higher_is_better
    own = [callback for reg in module.reg for callback in reg.callbacks(*judged)]
    checkpoint = BestWeights(
        record.folder,
        filename="best",
        monitor=record.facts.metric,
        mode="max" if record.facts.higher_is_better else "min",
        enable_version_counter=False,
        # all else is for whoever goes on from there, which is done from last.ckpt; some keep their weights in callbacks
        save_weights_only=not any(chunk.overrides(callback, Callback, "on_save_checkpoint") for callback in own),
    )
    looks = [Diagnostics(resume.layers)] if t.diagnostics and (ranks is None or ranks.rank == 0) else []
    trainer = pl.Trainer(
        max_epochs=t.max_epochs if t.max_steps is None else -1,
        max_steps=-1 if t.max_steps is None else t.max_steps,
        val_check_interval=interval,
        check_val_every_n_epoch=None,
        **machine(t),
        accumulate_grad_batches=t.accumulate_grad_batches,
        gradient_clip_val=t.gradient_clip_val,
        deterministic="warn" if t.deterministic else False,
        logger=[resume.curves, resume.events, *others],
        callbacks=[resume, *looks, checkpoint, *own],
        plugins=[WholeFiles(record.check_held), *([ranks] if ranks else [])],
        use_distributed_sampler=False,
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_progress_bar=t.progress,
        enable_model_summary=False,
        default_root_dir=record.folder,
    )
    if chunk.possible(trainer, module):
        chunks = chunk.Chunks(trainer, train, resume, looks[0] if looks else None, resume.clock, company)
        trainer.fit_loop.epoch_loop.automatic_optimization = chunks
        if points.possible(trainer, module):
            trainer.fit_loop.epoch_loop.val_loop = points.Points(trainer, val)
            if type(module).evaluate is AblationModule.evaluate:
                chunks.validation = val
    return trainer
