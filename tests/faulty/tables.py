"""Data sets with one fault each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from ablate.dataset import Examples, Splits, random_split
from ablate.techniques import (
    Data,
    Task,
)


@dataclass
class Table(Data):
    """Rows of normal numbers in three classes, with a fault."""

    task: ClassVar[Task] = Task.classification
    fault: ClassVar[str] = ""

    def load(self, seed: int) -> Splits:
        generator = torch.Generator().manual_seed(0)
        x, y = torch.randn(60, 3, generator=generator), torch.arange(60) % 3
        if self.fault == "float16":
            x = x.half()
        if self.fault == "missing":
            x[3, 1] = torch.nan
        if self.fault == "labels":
            y = y - 1
        if self.fault == "global random":
            return random_split(x, y, int(torch.randint(1000, ())))
        splits = random_split(x, y, 0 if self.fault == "no seed" else seed)
        some = Examples(*(t[:12] for t in splits.train))
        if self.fault == "leaks":
            return splits._replace(test=some)
        if self.fault == "leaks into validation":
            return splits._replace(val=some)
        if self.fault == "tests on validation":
            return splits._replace(test=splits.val)
        if self.fault == "unlabelled":
            return splits._replace(train=Examples(splits.train.x, splits.train.y[:-1]))
        return splits._replace(val=Examples(x[:0], y[:0])) if self.fault == "empty" else splits


@dataclass
class NoSeed(Table):
    """The same split for every seed."""

    fault: ClassVar[str] = "no seed"


@dataclass
class GlobalSplit(Table):
    """A split from torch's global random numbers."""

    fault: ClassVar[str] = "global random"


@dataclass
class Leaks(Table):
    """Training examples in the test split."""

    fault: ClassVar[str] = "leaks"


@dataclass
class EmptySplit(Table):
    """No validation examples."""

    fault: ClassVar[str] = "empty"


@dataclass
class Missing(Table):
    """NaN where a value is missing."""

    fault: ClassVar[str] = "missing"


@dataclass
class Halves(Table):
    """float16."""

    fault: ClassVar[str] = "float16"


@dataclass
class FromMinusOne(Table):
    """Classes from -1."""

    fault: ClassVar[str] = "labels"


@dataclass
class LeaksIntoValidation(Table):
    """Training examples in the validation split."""

    fault: ClassVar[str] = "leaks into validation"


@dataclass
class TestsOnValidation(Table):
    """The validation split again as the test split."""

    __test__ = False
    fault: ClassVar[str] = "tests on validation"


@dataclass
class Unlabelled(Table):
    """One target fewer than inputs."""

    fault: ClassVar[str] = "unlabelled"


@dataclass
class OneClassPerImage(Data):
    """Images (1, 4, 4) to segment, with one class for all pixels."""

    task: ClassVar[Task] = Task.segmentation

    def load(self, seed: int) -> Splits:
        return random_split(torch.randn(60, 1, 4, 4), torch.arange(60) % 3, seed)
