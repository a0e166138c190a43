"""Splits of data that are drawn at random."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ablate.dataset import Examples, Splits
from ablate.variations import stream


def splits(draw: Callable[[int, torch.Generator], Examples], count: int, seed: int) -> Splits:
    """Return ``count`` examples in splits of 60 : 20 : 20, each drawn by ``draw(examples, generator)``."""
    sizes = {"train": count - 2 * (count // 5), "val": count // 5, "test": count // 5}
    return Splits(*(draw(size, stream(seed, "draw", split)) for split, size in sizes.items()))


def balanced(count: int, classes: int, generator: torch.Generator) -> torch.Tensor:
    """Return labels (count,) in random order, each class as often as the others but for one."""
    return (torch.arange(count) % classes)[torch.randperm(count, generator=generator)]
