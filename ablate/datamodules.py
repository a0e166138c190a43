"""Somebody's ``LightningDataModule`` as inputs and targets: its data sets are read by their loaders' own collation.

What a module decides for a training, the order, the batches and its workers, is decided here for every data set alike,
so that arms are paired and a run goes on to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
)

from ablate.errors import ConfigError
from ablate.random_state import isolated
from ablate.stored import room, stored
from ablate.techniques import Hold, Task

_PART = 256
LOADERS = {"train": "fit", "val": "fit", "test": "test"}
"""The loaders that a module has to have, and the stage that each belongs to."""

Fetch = Callable[[list[int]], tuple[Tensor, Tensor]]


def examples_of(module: pl.LightningDataModule, task: Task, hold: Hold, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Return inputs and targets of training, validation and test.

    Inputs are read once and kept in memory where they fit, and else read, by this thread, when they are needed: what a
    data set draws at random for each reading is then drawn anew. Raises ``ConfigError`` for what has no pairs of input
    and target, no loader for one of the splits, or a sampler of its own.
    """
    with isolated(seed):
        module.prepare_data()
        for stage in dict.fromkeys(LOADERS.values()):
            module.setup(stage)
        return [
            _read(_loader(module, name), task, hold, f"{type(module).__name__}.{name}_dataloader") for name in LOADERS
        ]


def _loader(module: pl.LightningDataModule, name: str) -> DataLoader[Any]:
    called = f"{type(module).__name__}.{name}_dataloader"
    if getattr(type(module), f"{name}_dataloader") is getattr(pl.LightningDataModule, f"{name}_dataloader"):
        raise ConfigError(f"{called}() is not there: training, validation and test each need one.")
    loader = getattr(module, f"{name}_dataloader")()
    if not isinstance(loader, DataLoader):
        raise ConfigError(f"{called}() returns {type(loader).__name__}; it has to return one DataLoader.")
    if not isinstance(loader.dataset, IterableDataset) and (sampler := _own_sampler(loader)) is not None:
        raise ConfigError(
            f"{called}() has the sampler {type(sampler).__name__}, but which examples make a batch is decided "
            "by data.batch_size and data.order. Leave the sampler out."
        )
    return loader


def _own_sampler(loader: DataLoader[Any]) -> Any:
    """Return what decides about examples otherwise than one after the other or in any order, each once."""
    batched = loader.batch_sampler
    if batched is not None and type(batched) is not BatchSampler:
        return batched
    sampler = loader.sampler if batched is None else batched.sampler
    again = isinstance(sampler, RandomSampler) and (
        sampler.replacement or sampler.num_samples != len(loader.dataset)  # type: ignore[arg-type]
    )
    return sampler if again or type(sampler) not in (RandomSampler, SequentialSampler, SubsetRandomSampler) else None


def _read(loader: DataLoader[Any], task: Task, hold: Hold, called: str) -> tuple[Tensor, Tensor]:
    if isinstance(loader.dataset, IterableDataset):
        parts = [_pair(batch, called) for batch in loader]
        if not parts:
            raise ConfigError(f"{called}() has no examples.")
        return torch.cat([x for x, _ in parts]).float(), _typed(torch.cat([y for _, y in parts]), task, called)
    dataset, collate = loader.dataset, loader.collate_fn
    own = sorted(loader.sampler.indices) if isinstance(loader.sampler, SubsetRandomSampler) else range(len(dataset))  # type: ignore[arg-type]
    if not len(own):
        raise ConfigError(f"{called}() has no examples.")

    def fetch(numbers: list[int]) -> tuple[Tensor, Tensor]:
        return _pair(collate([dataset[number] for number in numbers]), called)

    first, _ = fetch([own[0]])
    fits = hold is not Hold.stream and 4 * first[0].numel() * len(own) <= room()
    inputs, targets = [], []
    for start in range(0, len(own), _PART):
        x, y = fetch(list(own[start : start + _PART]))
        inputs += [x.float()] if fits else []
        targets.append(y)
    y = _typed(torch.cat(targets), task, called)
    if fits:
        return torch.cat(inputs), y
    return stored(_inputs(fetch), torch.tensor(list(own)), tuple(first.shape[1:]), torch.float32, parallel=False), y


def _inputs(fetch: Fetch) -> Callable[[Tensor], Tensor]:
    return lambda index: fetch(index.tolist())[0].float()


def _pair(batch: Any, called: str) -> tuple[Tensor, Tensor]:
    if isinstance(batch, list | tuple) and len(batch) == 2 and all(isinstance(part, Tensor) for part in batch):
        return batch[0], batch[1]
    raise ConfigError(f"{called}() gives {type(batch).__name__}s that are no pair of tensors, input and target.")


def _typed(y: Tensor, task: Task, called: str) -> Tensor:
    """Return targets as a task has them: int64 classes, or floats (N, targets)."""
    if task is not Task.regression:
        if not torch.equal(y, y.long().to(y.dtype)):
            raise ConfigError(f"{called}() gives targets that are no whole numbers, for a {task.value}.")
        return y.long()
    return y.float() if y.ndim > 1 else y.float()[:, None]
