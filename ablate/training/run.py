"""One run: train, keep the record, never twice."""

from __future__ import annotations

import datetime
import logging
import math
import os
import platform
import signal
import socket
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib import metadata
from typing import Any

import lightning.pytorch as pl
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.seed import isolate_rng

from ablate.accounting.layers import account
from ablate.accounting.memory import state_bytes
from ablate.assembly import build
from ablate.atomic import write_atomically
from ablate.config import Config, TrainerConfig
from ablate.dataset import Batches, prepare, training_batches
from ablate.errors import ConfigError
from ablate.module import AblationModule
from ablate.record import Record, Status, open_record
from ablate.training.logger import CurveLogger, EventLogger

EVALUATION_BATCH = 1024  # evaluation needs no gradients: larger batches, fewer calls


def run(config: Config) -> Record:
    """Train the run that ``config`` describes, unless its record says that it is done.

    Returns its record. Raises ``RecordError`` where another process is training it, and passes on whatever
    training raises, once status and traceback are in the record.
    """
    record = open_record(config)
    if record.is_done:
        return record
    with record.lock():
        record.reload()  # another process may have finished it between the look and the lock
        if not record.is_done:
            with _recorded(record, config), _quiet(), _process_state(config.trainer.threads):
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
    facts.transfer = asdict(module.transfer) if module.transfer else None
    with suppress(Exception):  # a network that cannot be counted can still be trained
        facts.macs = account(module.model, dataset.splits.train.x[0], receptive_fields=False).macs
    train = training_batches(dataset.splits.train, config.data, config.seed)
    val, test = (Batches(split, max(train.batch_size, EVALUATION_BATCH)) for split in dataset.splits[1:])
    trainer = _trainer(config, record, len(train), module)
    trainer.fit(module, train, val)
    facts.optimizer_state_bytes = sum(map(state_bytes, trainer.optimizers))
    trainer.save_checkpoint(record.folder / "last.ckpt")  # ModelCheckpoint's own "last" is the last that was best
    if module.diverged:
        facts.status = Status.diverged
        facts.error = f"The loss was no longer finite at step {trainer.global_step}."
        return
    # Not weights_only: this process wrote the file, and an optimizer may keep any object in its state.
    (tested,) = trainer.test(module, test, ckpt_path=record.checkpoint, weights_only=False, verbose=False)
    facts.test = {name: float(value) if math.isfinite(value) else None for name, value in tested.items()}
    facts.status = Status.finished


def _trainer(config: Config, record: Record, batches: int, module: AblationModule) -> pl.Trainer:
    """Return Lightning's Trainer: curves at evenly spaced points, the best and the last weights kept."""
    t = config.trainer
    budget = t.max_epochs * batches if t.max_steps is None else t.max_steps * t.accumulate_grad_batches
    # whole optimizer steps in every interval; the module asks for one more point where the budget ends
    interval = -(-budget // (t.validations * t.accumulate_grad_batches)) * t.accumulate_grad_batches
    checkpoint = ModelCheckpoint(
        record.folder,
        filename="best",
        monitor=record.facts.metric,
        mode="max" if record.facts.higher_is_better else "min",
        enable_version_counter=False,
    )
    judged = record.facts.metric, record.facts.higher_is_better
    own = (callback for reg in module.reg for callback in reg.callbacks(*judged))
    return pl.Trainer(
        max_epochs=t.max_epochs if t.max_steps is None else -1,
        max_steps=-1 if t.max_steps is None else t.max_steps,
        val_check_interval=interval,
        check_val_every_n_epoch=None,
        **machine(t),
        accumulate_grad_batches=t.accumulate_grad_batches,
        gradient_clip_val=t.gradient_clip_val,
        deterministic="warn" if t.deterministic else False,
        logger=[CurveLogger(record.folder), EventLogger(record.folder)],
        callbacks=[checkpoint, *own],
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_progress_bar=t.progress,
        enable_model_summary=False,
        default_root_dir=record.folder,
    )


def machine(t: TrainerConfig) -> dict[str, Any]:
    """Return the arguments of Lightning's Trainer that depend on what the machine has."""
    return {"accelerator": t.accelerator, "devices": t.devices, "precision": t.precision}


def check_machine(config: Config) -> None:
    """Raise ``ConfigError`` for an accelerator or precision that Lightning does not know or the machine has not."""
    with _quiet():
        try:
            pl.Trainer(**machine(config.trainer), logger=False, enable_checkpointing=False)
        except (MisconfigurationException, ImportError, ValueError, RuntimeError) as error:
            asked = ", ".join(f"trainer.{key}={value}" for key, value in machine(config.trainer).items())
            raise ConfigError(f"{asked}: {' '.join(str(error).split())}") from error


def _versions(config: Config) -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "lightning": metadata.version("lightning"),
        **config.versions(),
    }


@contextmanager
def _process_state(threads: int) -> Iterator[None]:
    """Limit torch's threads, and give back the process as it was: a run may be one cell of a notebook.

    Lightning ignores Ctrl-C for good once it was pressed, leaves torch deterministic, and notes seeds in the
    environment.
    """
    before = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    handler = signal.getsignal(signal.SIGINT)
    environment = {
        name: os.environ.get(name) for name in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS", "CUBLAS_WORKSPACE_CONFIG")
    }
    torch.set_num_threads(threads)
    try:
        with isolate_rng():
            yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(deterministic[0], warn_only=deterministic[1])
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
        for name, value in environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


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
