"""A LightningDataModule is data: by Data.of, or from load() of an option."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)

import ablate
from ablate.dataset import loaded, prepare
from ablate.errors import ConfigError, PluginError
from ablate.record import Status
from ablate.stored import Stored, in_memory
from ablate.techniques import Data, Hold, Task
from ablate.testing import check
from tests.helpers import normal

X, Y = normal(60, 4).float(), torch.arange(60) % 3


class Somebody(pl.LightningDataModule):
    """Sixty examples with random splits, in batches of its own."""

    def __init__(self, offset: float = 0.0, seed: int = 7) -> None:
        super().__init__()
        self.offset, self.seed = offset, seed

    def setup(self, stage: str) -> None:
        whole = TensorDataset(X + self.offset, Y)
        self.parts = random_split(whole, [36, 12, 12], torch.Generator().manual_seed(self.seed))

    def train_dataloader(self) -> Any:
        return DataLoader(self.parts[0], batch_size=5, shuffle=True)

    def val_dataloader(self) -> Any:
        return DataLoader(self.parts[1], batch_size=5)

    def test_dataloader(self) -> Any:
        return DataLoader(self.parts[2], batch_size=5)


class Regression(Somebody):
    """The same with numbers as targets."""

    def setup(self, stage: str) -> None:
        super().setup(stage)
        whole = TensorDataset(X, X.sum(1).double())
        self.parts = random_split(whole, [36, 12, 12], torch.Generator().manual_seed(self.seed))


SomebodysData = Data.of(Somebody, task=Task.classification)


def test_its_parameters_are_settings_and_it_keeps_the_contract() -> None:
    ablate.register("somebody", SomebodysData)
    check("data=somebody")
    with pytest.raises(PluginError, match="needs the task"):
        Data.of(Somebody)


def test_it_trains_under_its_name() -> None:
    ablate.register("somebody", SomebodysData)
    sweep = ablate.sweep(
        [
            "data=somebody",
            "data.offset=0,5",
            "data.batch_size=9",
            "trainer.max_epochs=1",
            "trainer.validations=1",
            "workers=0",
        ]
    )
    assert [record.status for record in sweep.records] == [Status.finished] * 2
    assert (sweep.records[0].facts.data or {})["examples"] == {"train": 36, "val": 12, "test": 12}
    assert sweep.records[0].facts.budget == 4


def test_examples_are_those_of_its_splits_by_the_seed_of_the_run() -> None:
    parts = random_split(TensorDataset(X, Y), [36, 12, 12], torch.Generator().manual_seed(3))
    for split, part in zip(loaded(SomebodysData(), 3), parts, strict=True):
        assert torch.equal(split.x, X[part.indices])
        assert torch.equal(split.y, Y[part.indices])


def test_targets_are_those_of_the_task() -> None:
    made = Data.of(Regression, task=Task.regression)()
    assert loaded(made, 0).train.y.shape == (36, 1)
    assert prepare(made, 0).splits.train.y.dtype == torch.float32


@dataclass
class Streamed(Data):
    """What load() returns may be a module, which is read when it is needed."""

    task: ClassVar[Task] = Task.classification

    @property
    def holding(self) -> Hold:
        """Where the examples are to be."""
        return Hold.stream

    def load(self, seed: int) -> pl.LightningDataModule:
        """Return the module."""
        return Somebody(seed=seed)


def test_a_module_may_be_streamed() -> None:
    stream, memory = prepare(Streamed(), 4).splits, prepare(SomebodysData(), 4).splits
    assert isinstance(stream.train.x, Stored)
    for one, two in zip(stream, memory, strict=True):
        torch.testing.assert_close(in_memory(one.x), two.x, rtol=1e-5, atol=1e-6)  # means in float64, and in float32
        assert torch.equal(one.y, two.y)


class Endless(IterableDataset[tuple[Tensor, Tensor]]):
    """Examples that come one after the other."""

    def __iter__(self) -> Any:
        yield from zip(X, Y, strict=True)


class Iterated(Somebody):
    """A module of such examples."""

    def train_dataloader(self) -> Any:
        return DataLoader(Endless(), batch_size=7)


def test_examples_that_come_one_after_the_other_are_gathered() -> None:
    train = loaded(Data.of(Iterated, task=Task.classification)(), 0).train
    assert torch.equal(train.x, X)
    assert torch.equal(train.y, Y)


class NoTest(pl.LightningDataModule):
    """A module without a test."""

    def train_dataloader(self) -> Any:
        return DataLoader(TensorDataset(X, Y))

    def val_dataloader(self) -> Any:
        return DataLoader(TensorDataset(X, Y))


class Weighted(Somebody):
    """A module that draws some examples more often."""

    def train_dataloader(self) -> Any:
        return DataLoader(self.parts[0], sampler=WeightedRandomSampler([1.0] * 36, 36))


class Bucketed(Somebody):
    """A module that draws them so by batches."""

    def train_dataloader(self) -> Any:
        sampler = WeightedRandomSampler([1.0] * 36, 36)
        return DataLoader(self.parts[0], batch_sampler=BatchSampler(sampler, 6, drop_last=False))


class Again(Somebody):
    """A module that draws an example more than once."""

    def train_dataloader(self) -> Any:
        return DataLoader(self.parts[0], sampler=RandomSampler(self.parts[0], replacement=True))


class Fewer(Somebody):
    """A module that draws some of the examples."""

    def train_dataloader(self) -> Any:
        return DataLoader(self.parts[0], sampler=RandomSampler(self.parts[0], num_samples=5))


class Halves(Somebody):
    """A module whose classes are no whole numbers."""

    def train_dataloader(self) -> Any:
        return DataLoader(TensorDataset(X, Y / 2))


class Nothing(Somebody):
    """A module without examples that come one after the other."""

    def train_dataloader(self) -> Any:
        empty: Any = type("Empty", (IterableDataset,), {"__iter__": lambda _: iter(())})()
        return DataLoader(empty)


class Single(Somebody):
    """A module without targets."""

    def train_dataloader(self) -> Any:
        return DataLoader(TensorDataset(X))


class Empty(Somebody):
    """A module without validation examples."""

    def val_dataloader(self) -> Any:
        return DataLoader(TensorDataset(X[:0], Y[:0]))


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (NoTest, r"NoTest.test_dataloader\(\) is not there"),
        (Weighted, "has the sampler WeightedRandomSampler"),
        (Bucketed, "has the sampler WeightedRandomSampler"),
        (Again, "has the sampler RandomSampler"),
        (Fewer, "has the sampler RandomSampler"),
        (Halves, "targets that are no whole numbers"),
        (Nothing, "has no examples"),
        (Single, "no pair of tensors"),
        (Empty, "has no examples"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(module: type, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        loaded(Data.of(module, task=Task.classification)(), 0)


def test_reading_leaves_random_states_as_they_were() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    loaded(SomebodysData(), 0)
    assert torch.equal(torch.get_rng_state(), state)
    assert math.isfinite(float(torch.rand(())))
