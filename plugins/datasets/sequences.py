"""Tests of memory. N sequences · T steps."""

from __future__ import annotations

import torch

from ablate.dataset import Examples, Splits

from .drawn import balanced, splits


def adding(seed: int, count: int, length: int) -> Splits:
    """Return numbers and marks (N, T, 2) and the sum of the two marked numbers (N, 1)."""

    def draw(n: int, generator: torch.Generator) -> Examples:
        numbers = torch.rand(n, length, generator=generator)
        half = length // 2
        first = torch.randint(0, half, (n, 1), generator=generator)
        second = torch.randint(half, length, (n, 1), generator=generator)
        marks = torch.zeros(n, length).scatter_(1, torch.cat((first, second), 1), 1.0)
        return Examples(torch.stack((numbers, marks), -1), (numbers * marks).sum(1, keepdim=True))

    return splits(draw, count, seed)


def copy(seed: int, count: int, length: int, bits: int) -> Splits:
    """Return bits and where they are (N, bits + length, 2), and the bits once more (N, bits)."""

    def draw(n: int, generator: torch.Generator) -> Examples:
        said = torch.randint(2, (n, bits), generator=generator).float()
        x = torch.zeros(n, bits + length, 2)
        x[:, :bits, 0] = said
        x[:, :bits, 1] = 1
        return Examples(x, said)

    return splits(draw, count, seed)


def recall(seed: int, count: int, length: int, symbols: int, distractors: bool) -> Splits:
    """Return one-hot symbols (N, length + 1, symbols) and the first of them (N,)."""

    def draw(n: int, generator: torch.Generator) -> Examples:
        y = balanced(n, symbols, generator)
        later = torch.randint(symbols, (n, length), generator=generator)
        x = torch.nn.functional.one_hot(torch.cat((y[:, None], later), 1), symbols).float()
        if not distractors:
            x[:, 1:] = 0
        return Examples(x, y)

    return splits(draw, count, seed)
