"""Data that a test made, to be prepared with the options that every data set has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from ablate.dataset import Examples, Splits, prepare, random_split
from ablate.techniques import Scale, Task
from tests.helpers import Given, generator


@dataclass
class GivenPixels(Given):
    """A segmentation of examples that a test made."""

    task: ClassVar[Task] = Task.segmentation


def table(classes: int = 5, count: int = 200) -> Splits:
    """Return rows of three features with labels that go round."""
    x = torch.randn(count, 3, generator=generator())
    return random_split(x, torch.arange(count) % classes, seed=1)


def images(labels: int = 0, count: int = 60) -> Splits:
    """Return images (N, 2, 6, 5) without zeros; with ``labels`` classes of pixels, given by the first channel."""
    x = 1 + torch.rand(count, 2, 6, 5, generator=generator())
    y = (x[:, 0] * 100).long() % labels if labels else torch.arange(count) % 3
    return random_split(x, y, seed=1)


def prepared(splits: Splits, seed: int = 0, **options: Any) -> Splits:
    """Return the splits after the options, unscaled."""
    kind = GivenPixels if splits.train.y.ndim == 3 else Given
    return prepare(kind(splits=splits, scale=Scale.none, **options), seed).splits


def same(a: Examples, b: Examples) -> bool:
    """Return whether inputs and targets are equal."""
    return torch.equal(a.x, b.x) and torch.equal(a.y, b.y)
