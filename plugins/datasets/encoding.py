"""Rows of a table as features: numbers, where values are missing, and categories one-hot.

Shapes: B rows · C columns as they are kept, a category as its number, NaN where a value is missing · F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ablate.stored import Read

_ROWS = 2**16


@dataclass(frozen=True)
class Encoding:
    """The columns of a table, in the order of its features.

    First each column of numbers, then for each column with missing values whether this one is, then for each column of
    categories one feature a category.
    """

    numbers: tuple[int, ...]
    gaps: tuple[int, ...]
    """The columns in which values are missing, anywhere in the table."""
    categories: tuple[tuple[int, int], ...]
    """Column and number of its categories."""

    @property
    def width(self) -> int:
        """The number of features, F."""
        return len(self.numbers) + len(self.gaps) + sum(count for _, count in self.categories)

    def names(self, columns: Sequence[str], categories: Sequence[Sequence[str]]) -> tuple[str, ...]:
        """Return the features by name."""
        words = [
            f"{columns[c]}={word}" for (c, _), own in zip(self.categories, categories, strict=True) for word in own
        ]
        return (*(columns[c] for c in self.numbers), *(f"{columns[c]} is missing" for c in self.gaps), *words)

    def fit(self, rows: Tensor, train: Tensor) -> tuple[Read, tuple[int, ...]]:
        """Return what reads features of the kept ``rows`` (N, C), by the training examples with the numbers ``train``.

        A missing number becomes the mean of training, one that training never has becomes 0. A category that training
        has never is all zeros.
        """
        means = self.means(rows, train)
        seen = self.seen(rows, train)
        return lambda index: self.features(rows[index], means, seen), (self.width,)

    def means(self, rows: Tensor, train: Tensor) -> Tensor:
        """Return the mean of each column of numbers over the training examples that have a value."""
        total = torch.zeros(len(self.numbers), dtype=torch.float64)
        count = torch.zeros_like(total)
        for part in train.split(_ROWS):
            own = rows[part][:, list(self.numbers)]
            total += own.nansum(0)
            count += (~own.isnan()).sum(0)
        return total / count.clamp(min=1)

    def seen(self, rows: Tensor, train: Tensor) -> list[Tensor]:
        """Return for each column of categories which of them training has."""
        found = [torch.zeros(count, dtype=torch.bool) for _, count in self.categories]
        for part in train.split(_ROWS):
            own = rows[part]
            for mask, (column, _) in zip(found, self.categories, strict=True):
                codes = own[:, column]
                mask[codes[~codes.isnan()].long()] = True
        return found

    def features(self, rows: Tensor, means: Tensor, seen: Sequence[Tensor]) -> Tensor:
        """Return the features (B, F) of ``rows`` (B, C) in float64."""
        numbers = rows[:, list(self.numbers)]
        parts = [torch.where(numbers.isnan(), means, numbers), rows[:, list(self.gaps)].isnan().double()]
        for (column, count), mask in zip(self.categories, seen, strict=True):
            hot = rows[:, column, None] == torch.arange(count, dtype=torch.float64)  # NaN is no category
            parts.append((hot & mask).double())
        return torch.cat(parts, 1)
