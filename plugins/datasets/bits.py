"""Functions of bits: truth tables, and images of bits with a label a pixel.

Shapes: N images · R = 2ⁿ rows · C channels · S × S pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ablate.dataset import Examples, Splits
from ablate.variations import stream

from .drawn import splits


def rows(n: int) -> Tensor:
    """Return every combination of n bits as floats (R, n), counting up; the first bit is the highest."""
    return ((torch.arange(2**n)[:, None] >> torch.arange(n - 1, -1, -1)) & 1).float()


def parity(n: int, repeats: int) -> Splits:
    """Return the table (R, n) with labels (R,): 1 where the number of ones is odd."""
    x = rows(n)
    return _table(x, x.sum(1).long() % 2, repeats)


def boolean(n: int, function: int, repeats: int) -> Splits:
    """Return the table (R, n) with labels (R,) by fair coins, drawn again while they are all the same."""
    generator = stream(function, "boolean")
    y = torch.zeros(2**n, dtype=torch.int64)
    while y.min() == y.max():
        y = torch.randint(2, (2**n,), generator=generator)
    return _table(rows(n), y, repeats)


def _table(x: Tensor, y: Tensor, repeats: int) -> Splits:
    whole = Examples(x, y)
    return Splits(Examples(x.repeat(repeats, 1), y.repeat(repeats)), whole, whole)


def offset_xor(seed: int, count: int, size: int, offset: int) -> Splits:
    """Return bits (N, 1, S, S) and labels (N, S, S): x[p] xor x[p + offset to the right]."""

    def draw(n: int, generator: torch.Generator) -> Examples:
        x = torch.randint(2, (n, size, size), generator=generator)
        other = torch.zeros_like(x)
        other[..., :-offset] = x[..., offset:]
        return Examples(x[:, None].float(), x ^ other)

    return splits(draw, count, seed)


def channel_xor(seed: int, count: int, size: int, channels: int) -> Splits:
    """Return bits (N, C, S, S) and labels (N, S, S): the xor over the channels."""

    def draw(n: int, generator: torch.Generator) -> Examples:
        x = torch.randint(2, (n, channels, size, size), generator=generator)
        return Examples(x.float(), x.sum(1) % 2)

    return splits(draw, count, seed)
