"""Data in memory: splits, scaling by training statistics, and batches in an order that the seed decides.

Shapes: N examples · B batch · F features · T time · C channels · H, W height and width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ablate.errors import ConfigError
from ablate.reading import read_ahead
from ablate.scaling import rescaled, scaling
from ablate.stored import Stored, chunks, in_memory, room, taken
from ablate.techniques import Data, DataSpec, Hold, Order, Scale, Task
from ablate.variations import noisy_targets, permuted, shifted, stream


class Examples(NamedTuple):
    """Inputs (N, *input_shape) and targets: (N,) int64 classes · (N, targets) floats · (N, H, W) int64 pixels."""

    x: Tensor
    y: Tensor


class Splits(NamedTuple):
    """Train, validation and test examples."""

    train: Examples
    val: Examples
    test: Examples

    @property
    def is_stored(self) -> bool:
        """Whether some of it is read only when it is needed."""
        return any(isinstance(part, Stored) for split in self for part in split)

    def first(self, count: int) -> Splits:
        """Return the first ``count`` examples of each, in memory."""
        return Splits(*(Examples(*(part[:count] for part in split)) for split in self))

    def in_memory(self) -> Splits:
        """Return all of it as plain tensors."""
        return Splits(*(Examples(*map(in_memory, split)) for split in self))


@dataclass(frozen=True)
class Dataset:
    """Splits ready for training, and what a model has to know of them."""

    splits: Splits
    spec: DataSpec
    target_scale: Tensor
    """Standard deviations of a regression's raw training targets (targets,), to give errors in the data's own unit."""


def random_split(x: Tensor, y: Tensor, seed: int) -> Splits:
    """Split (N, …) examples 60 : 20 : 20 in an order drawn from ``seed``."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    train, val, test = order.split([len(x) - 2 * (len(x) // 5), len(x) // 5, len(x) // 5])
    return Splits(Examples(x[train], y[train]), Examples(x[val], y[val]), Examples(x[test], y[test]))


def prepare(data: Data, seed: int) -> Dataset:
    """Load, cut to ``train_size``, vary as ``data`` asks, scale inputs, and standardise the targets of a regression.

    Each variation draws from a stream of its own, so that it changes neither the split nor another variation. What is
    stored comes into memory where it fits, at the end: the numbers are the same to the bit where it does not.
    """
    splits = loaded(data, seed)
    _check(data, splits)
    if data.train_size is not None:
        available = len(splits.train.x)
        if data.train_size > available:
            raise ConfigError(f"data.train_size={data.train_size}: the training split has {available} examples.")
        splits = splits._replace(train=Examples(*(taken(t, slice(data.train_size)) for t in splits.train)))
    regression = data.task is Task.regression
    outputs = splits.train.y.shape[1] if regression else 1 + max(int(p.max()) for s in splits for p in chunks(s.y))
    shift, factor = scaling(splits.train.x, data.scale)  # of what has not moved: the same to the bit in every arm
    if splits.is_stored and (data.shift or data.permute_pixels):
        setting = "shift" if data.shift else "permute_pixels"
        if data.holding is Hold.stream:
            raise ConfigError(f"data.{setting} moves pixels in memory: it does not go with data.hold=stream.")
        splits = _held(splits, Hold.memory, f"data.{setting} moves pixels and so needs")
    splits = vary(splits, data, outputs, seed)
    splits = Splits(*(Examples(rescaled(s.x, shift, factor), s.y) for s in splits))
    target_scale = torch.ones(())
    if regression:
        mean, inverse = scaling(splits.train.y, Scale.standard)
        splits = Splits(*(Examples(s.x, ((s.y - mean) * inverse).float()) for s in splits))
        target_scale = 1 / inverse
    splits = _held(splits, data.holding, "data.hold=memory asks for")
    return Dataset(splits, DataSpec(data.task, tuple(splits.train.x.shape[1:]), outputs), target_scale)


def loaded(data: Data, seed: int) -> Splits:
    """Return the raw splits; a ``LightningDataModule`` becomes such."""
    found = data.load(seed)
    if isinstance(found, Splits):
        return found
    from ablate import datamodules  # here, as it needs Lightning, and other data does not

    return Splits(*(Examples(*pair) for pair in datamodules.examples_of(found, data.task, data.holding, seed)))


def _check(data: Data, splits: Splits) -> None:
    """Raise ``ConfigError`` for a split without examples, and a setting that has no meaning for the task."""
    for name, split in zip(Splits._fields, splits, strict=True):
        if not len(split.x):
            raise ConfigError(f"data: the {name} split has no examples. Give each of train, val and test some.")
    try:
        data.check_task(data.task)
    except ValueError as error:
        raise ConfigError(f"data: {error}, and this is a {data.task.value}.") from error


def _held(splits: Splits, hold: Hold, who: str) -> Splits:
    """Return the splits in memory where ``hold`` allows it and they fit.

    Raises ``ConfigError``, beginning with ``who`` wants it, where they must be in memory and do not fit.
    """
    if not splits.is_stored or hold is Hold.stream:
        return splits
    size, most = sum(part.nbytes for split in splits for part in split), room()
    if size <= most:
        return splits.in_memory()
    if hold is Hold.auto:
        return splits
    raise ConfigError(
        f"{who} all examples in memory: {size / 2**30:.1f} GB, but a run has {most / 2**30:.1f} (half of what is free, "
        "shared by as many runs as there are processors). Take fewer by data.train_size, or smaller ones."
    )


def vary(splits: Splits, data: Data, outputs: int, seed: int) -> Splits:
    """Return ``splits`` with the label noise, shift, permutation and order that ``data`` asks for."""
    train, val, test = splits
    if data.label_noise:
        classes = None if data.task is Task.regression else outputs
        train = Examples(train.x, noisy_targets(train.y, data.label_noise, classes, stream(seed, "label_noise")))
    if data.shift:
        if test.x.ndim != 4:
            raise ConfigError(f"data.shift={data.shift} moves images, but an example here has {_shape(test)}.")
        if data.shift >= min(test.x.shape[2:]):
            raise ConfigError(f"data.shift={data.shift} would move images of {_shape(test)} out of sight. Take less.")
        test = Examples(*shifted(test.x, test.y, data.shift, stream(seed, "shift")))
    if data.permute_pixels:
        if test.x.ndim == 2:
            raise ConfigError(
                "data.permute_pixels=true: the columns of a table have no order to lose. Choose images or sequences."
            )
        train, val, test = (Examples(*permuted(*s, stream(seed, "permute_pixels"))) for s in (train, val, test))
    if data.order is Order.sorted:
        by = train.y if train.y.ndim == 1 else train.y[:, 0]
        index = by.argsort(stable=True)
        train = Examples(taken(train.x, index), train.y[index])
    return Splits(train, val, test)


def _shape(examples: Examples) -> str:
    return f"shape {tuple(examples.x.shape[1:])}"


_SMALL = 2**24
"""Data of up to so many bytes is put in order at once for a whole epoch."""


class Batches:
    """Iterable over the batches (B, …) of examples held in memory: no worker processes, no collation.

    In training, each epoch has an order of its own, drawn from the seed and the number of the epoch alone, so
    that it is the same whatever happened before. Lightning announces the epoch through ``sampler.set_epoch``.
    A last batch of a single example joins the one before: the statistics of one example are not defined. So does one
    with fewer examples than the processes that share each batch.
    ``state_dict`` says which batch comes next, and after ``load_state_dict`` the next iteration begins there.
    """

    def __init__(self, examples: Examples, batch_size: int, shuffle_seed: int | None = None) -> None:
        self.examples = examples
        self.batch_size = batch_size
        self.shuffle_seed = shuffle_seed
        self.epoch = 0
        self._rank, self._world = 0, 1
        self._given = 0
        self._skipped = 0
        self.running: Iterator[Examples] = iter(())
        """The iteration that was begun last."""

    @property
    def sampler(self) -> Batches:
        """The object that Lightning tells the epoch to."""
        return self

    batch_sampler = None  # Lightning looks here too

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next iteration."""
        self.epoch = epoch

    def share(self, rank: int, world: int) -> None:
        """Give out the part of each batch that belongs to the ``rank``-th of ``world`` processes: every world-th."""
        if len(self.examples.x) < world:
            raise ConfigError(f"trainer.devices={world}: a split has {len(self.examples.x)} examples only.")
        self._rank, self._world = rank, world

    def __len__(self) -> int:
        return len(self._sizes())

    def __iter__(self) -> Iterator[Examples]:
        self.running = self._iterate()
        return self.running

    def _iterate(self) -> Iterator[Examples]:
        x, y = self.examples
        sizes = self._sizes()
        first, self._skipped = self._skipped, 0
        stored = isinstance(x, Stored) or isinstance(y, Stored)
        order = self.order() if stored or self.shuffle_seed is not None else None
        if order is not None and not stored and x.nbytes + y.nbytes <= _SMALL:
            x, y, order = x[order], y[order], None
        batches = list(zip(x.split(sizes), y.split(sizes), strict=True)) if order is None else order.split(sizes)
        own = slice(self._rank, None, self._world)
        if stored:
            yield from self._read(first, [chosen[own] for chosen in order.split(sizes)] if order is not None else [])
            return
        for number in range(first, len(sizes)):
            self._given = number + 1
            chosen = batches[number]
            if isinstance(chosen, Tensor):
                yield Examples(x[chosen[own]], y[chosen[own]])
            elif self._world == 1:
                yield Examples(*chosen)
            else:
                yield Examples(chosen[0][own], chosen[1][own])

    def _read(self, first: int, batches: Sequence[Tensor]) -> Iterator[Examples]:
        """Yield the batches from the ``first`` on, read by threads that are some batches ahead."""
        x, y = self.examples

        def read(chosen: Tensor) -> Examples:
            return Examples(x[chosen], y[chosen])

        parallel = all(part.parallel for part in self.examples if isinstance(part, Stored))
        for number, batch in enumerate(read_ahead(read, batches[first:], parallel), first):
            self._given = number + 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the epoch and the number of its batches that have been given out."""
        return {"epoch": self.epoch, "batch": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin the next iteration where :meth:`state_dict` was called."""
        self.epoch, self._skipped = state["epoch"], state["batch"]

    def _sizes(self) -> list[int]:
        whole, rest = divmod(len(self.examples.x), self.batch_size)
        sizes = [self.batch_size] * whole
        if 0 < rest < max(2, self._world) and whole:
            sizes[-1] += rest
        elif rest:
            sizes.append(rest)
        return sizes

    def order(self) -> Tensor:
        """Return the permutation (N,) of this epoch."""
        if self.shuffle_seed is None:
            return torch.arange(len(self.examples.x))
        seed = np.random.SeedSequence((self.shuffle_seed, self.epoch)).generate_state(1)[0]
        return torch.randperm(len(self.examples.x), generator=torch.Generator().manual_seed(int(seed)))


def training_batches(train: Examples, data: Data, seed: int) -> Batches:
    """Return the batches of a run's training split: of the size and in the order that ``data`` asks for."""
    shuffle_seed = seed if data.order is Order.shuffled else None
    return Batches(train, data.batch(len(train.x)), shuffle_seed)
