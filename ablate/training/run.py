"""One run: train, keep the record, never twice."""

from __future__ import annotations

import datetime
import logging
import os
import platform
import signal
import socket
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

import lightning.pytorch as pl
import torch
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.seed import isolate_rng

from ablate.assembly import build
from ablate.config import Config
from ablate.dataset import Batches, prepare
from ablate.errors import RecordError
from ablate.module import AblationModule
from ablate.record import Record, Status, open_record, write_atomically
from ablate.training.logger import CurveLogger, EventLogger

EVALUATION_BATCH = 1024  # evaluation needs no gradients: larger batches, fewer calls


def run(config: Config) -> Record:
    """Train the run that ``config`` describes, unless its record says that it is done.

    Returns its record. Raises ``RecordError`` where another process is training it, and passes on whatever
    training raises, once status and traceback are in the record.
    """
    record = open_record(config)
    if record.status.done:
        return record
    if record.is_busy:
        raise RecordError(
            f"{record.folder} is being trained by process {record.facts.pid} on {record.facts.host}. "
            "Wait for it, or choose another name=."
        )
    with _recorded(record, config), _quiet(), _interruptible(), _threads(config.trainer.threads), isolate_rng():
        _train(record, config)
    return record


@contextmanager
def _recorded(record: Record, config: Config) -> Iterator[None]:
    """Write the record before and after training, however training ends."""
    facts = record.facts
    facts.status, facts.pid, facts.host = Status.running, os.getpid(), socket.gethostname()
    facts.error = facts.traceback = None
    facts.started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    facts.versions = _versions(config)
    record.clear()
    write_atomically(record.folder / "config.yaml", yaml.safe_dump(config.to_dict(), sort_keys=False))
    record.save()
    clock = time.perf_counter()
    try:
        yield
    except BaseException as error:
        # Lightning turns Ctrl-C into SystemExit
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        facts.status = Status.interrupted if stopped else Status.failed
        facts.error = f"{type(error).__name__}: {error}".rstrip(": ")
        facts.traceback = traceback.format_exc()
        if stopped:
            raise KeyboardInterrupt from error
        raise
    finally:
        facts.seconds = round(time.perf_counter() - clock, 3)
        record.save()


def _train(record: Record, config: Config) -> None:
    facts = record.facts
    pl.seed_everything(config.seed, verbose=False)
    dataset = prepare(config.data, config.seed)
    module = build(config, dataset)
    facts.metric, facts.higher_is_better = f"val/{module.judge.metric}", module.judge.higher_is_better
    facts.parameters = sum(p.numel() for p in module.model.parameters())
    size = config.data.batch_size
    train = Batches(dataset.splits.train, size, shuffle_seed=config.seed)
    val, test = (Batches(split, max(size, EVALUATION_BATCH)) for split in dataset.splits[1:])
    trainer = _trainer(config, record, len(train), module)
    trainer.fit(module, train, val)
    trainer.save_checkpoint(record.folder / "last.ckpt")  # ModelCheckpoint's own "last" is the last that was best
    if module.diverged:
        facts.status = Status.diverged
        facts.error = f"The loss was no longer finite at step {trainer.global_step}."
        return
    (tested,) = trainer.test(module, test, ckpt_path=record.checkpoint, weights_only=True, verbose=False)
    facts.test = {name: float(value) for name, value in tested.items()}
    facts.status = Status.finished


def _trainer(config: Config, record: Record, batches: int, module: AblationModule) -> pl.Trainer:
    """Return Lightning's Trainer: curves at evenly spaced points, the best and the last weights kept."""
    t = config.trainer
    budget = t.max_epochs * batches
    if t.max_steps is not None:
        budget = min(budget, t.max_steps * t.accumulate_grad_batches)
    checkpoint = ModelCheckpoint(
        record.folder,
        filename="best",
        monitor=record.facts.metric,
        mode="max" if record.facts.higher_is_better else "min",
        enable_version_counter=False,
    )
    return pl.Trainer(
        max_epochs=t.max_epochs,
        max_steps=-1 if t.max_steps is None else t.max_steps,
        val_check_interval=max(1, budget // t.validations),
        check_val_every_n_epoch=None,
        accelerator=t.accelerator,
        devices=t.devices,
        strategy=t.strategy,
        precision=t.precision,  # type: ignore[arg-type]  # Lightning checks the name
        accumulate_grad_batches=t.accumulate_grad_batches,
        gradient_clip_val=t.gradient_clip_val,
        deterministic="warn" if t.deterministic else False,
        logger=[CurveLogger(record.folder), EventLogger(record.folder)],
        callbacks=[checkpoint, *(callback for reg in module.reg for callback in reg.callbacks())],
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_progress_bar=t.progress,
        enable_model_summary=False,
        default_root_dir=record.folder,
    )


def _versions(config: Config) -> dict[str, str]:
    plugins = {option.distribution: option.version for option in config.options().values()}
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "lightning": metadata.version("lightning"),
        **plugins,
    }


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Restore Ctrl-C: Lightning ignores it for good once it was pressed."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's remarks on hardware and good practice: a sweep would repeat them for every run."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(level)
