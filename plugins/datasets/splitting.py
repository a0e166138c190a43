"""Which examples are for training, validation and test: drawn by the seed, class by class, or given."""

from __future__ import annotations

import torch
from torch import Tensor

from ablate.errors import ConfigError
from ablate.variations import stream

NAMES = {
    "train": 0,
    "training": 0,
    "val": 1,
    "valid": 1,
    "validation": 1,
    "dev": 1,
    "test": 2,
    "testing": 2,
}
"""What the three splits are called in files, and their numbers."""

FEWEST = 5


def three_ways(count: int, seed: int, labels: Tensor | None = None, given: Tensor | None = None) -> list[Tensor]:
    """Return the numbers of training, validation and test examples, each in an order drawn from ``seed``.

    Of ``count`` examples every fifth is for validation and every fifth for test, of those in a random order or, with
    ``labels`` (N,), in that order class by class: so each class is shared out as 60 : 20 : 20 up to one example.
    ``given`` (N,) says 0, 1 or 2 where the splits are fixed; a fifth of training is then drawn for one that is not
    there. Raises ``ConfigError`` for too few examples, or none for training.
    """
    order = torch.randperm(count, generator=stream(seed, "split"))
    if given is None:
        if count < FEWEST:
            raise ConfigError(
                f"data: {count} examples are too few to draw training, validation and test from: {FEWEST} are needed."
            )
        return _drawn(order, labels, seed, {1: 3, 2: 4})
    parts = [order[given[order] == number] for number in range(3)]
    absent = [number for number in (1, 2) if not len(parts[number])]
    if not len(parts[0]):
        raise ConfigError("data: the given splits have no examples for training. Call some of them train.")
    if absent:
        if len(parts[0]) < FEWEST:
            raise ConfigError(f"data: {len(parts[0])} training examples are too few to draw validation or test from.")
        own = _drawn(parts[0], labels, seed, {number: 2 + number for number in absent})
        parts = [own[number] if number in (0, *absent) else parts[number] for number in range(3)]
    return parts


def _drawn(order: Tensor, labels: Tensor | None, seed: int, fifths: dict[int, int]) -> list[Tensor]:
    """Share ``order`` out: of every five, sorted by label, ``fifths[split]`` is the place of a split's example."""
    sort = torch.arange(len(order)) if labels is None else labels[order].argsort(stable=True)
    first = int(torch.randint(5, (), generator=stream(seed, "split", "first")))
    place = torch.empty(len(order), dtype=torch.int64)
    place[sort] = (torch.arange(len(order)) + first) % 5
    part = torch.zeros(len(order), dtype=torch.int64)
    for number, fifth in fifths.items():
        part[place == fifth] = number
    return [order[part == number] for number in range(3)]
