"""Scikit-learn's handwritten digits: 1,797 images of 8 × 8 pixels with values 0 to 16 (UCI optdigits test set).

Shapes: N images · 8 × 8 pixels · canvases of S × S pixels.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ablate.dataset import Examples, Splits, random_split
from ablate.variations import stream


@functools.cache
def images() -> Examples:
    """Return the images (N, 1, 8, 8) with values 0 to 16 and their digits (N,)."""
    table = torch.from_numpy(_table())
    return Examples(table[:, :-1].float().view(-1, 1, 8, 8), table[:, -1].long())


def _table() -> NDArray[np.float64]:
    """Return a row an image (N, 65): its pixels, and its digit.

    They are read where scikit-learn keeps them. To import it for that would take a second more of the start of every
    sweep, as it brings pandas and scipy's statistics along.
    """
    package = find_spec("sklearn")
    kept = Path(package.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if package else Path()
    if kept.is_file():
        return np.loadtxt(kept, delimiter=",")
    from sklearn.datasets import load_digits  # where it keeps them elsewhere by now

    return np.column_stack(load_digits(return_X_y=True))


def digits(seed: int) -> Splits:
    """Return the images and digits, split by seed."""
    return random_split(*images(), seed)


def rows(seed: int, pixels: bool) -> Splits:
    """Return each image as a sequence of 8 rows (N, 8, 8), or of 64 pixels (N, 64, 1)."""
    shape = (-1, 64, 1) if pixels else (-1, 8, 8)
    return Splits(*(Examples(s.x.reshape(shape), s.y) for s in digits(seed)))


def placed(seed: int, size: int, only: Sequence[int] = tuple(range(10))) -> Splits:
    """Return canvases (N, 1, S, S), a digit on each at a place drawn for it, and which of ``only`` it is (N,)."""
    return Splits(
        *(_placed(split, size, only, stream(seed, "placed", str(at))) for at, split in enumerate(digits(seed)))
    )


def _placed(split: Examples, size: int, only: Sequence[int], generator: torch.Generator) -> Examples:
    x = torch.zeros(len(split.x), 1, size, size)
    corners = torch.randint(size - 8 + 1, (len(split.x), 2), generator=generator).tolist()
    for canvas_x, image, (top, left) in zip(x, split.x, corners, strict=True):
        canvas_x[:, top : top + 8, left : left + 8] = image
    at, number = (split.y[:, None] == torch.tensor(only)).nonzero(as_tuple=True)
    return Examples(x[at], number)


def canvas(seed: int, count: int, size: int, per_canvas: int) -> Splits:
    """Return canvases (count, 1, S, S) and pixel labels (count, S, S), split 60 : 20 : 20 like the digits.

    The digits of a split come from the same split of the images, so that none is seen in training and
    validation both. Label 0 is background, 1 + d the ink of digit d.
    """
    parts = []
    for number, (split, share) in enumerate(zip(digits(seed), (0.6, 0.2, 0.2), strict=True)):
        generator = torch.Generator().manual_seed(3 * seed + number)
        parts.append(_canvases(split, round(share * count), size, per_canvas, generator))
    return Splits(*parts)


def _canvases(split: Examples, count: int, size: int, per_canvas: int, generator: torch.Generator) -> Examples:
    x = torch.zeros(count, 1, size, size)
    y = torch.zeros(count, size, size, dtype=torch.int64)
    for canvas_x, canvas_y in zip(x, y, strict=True):
        chosen = torch.randint(len(split.x), (per_canvas,), generator=generator)
        for index, (top, left) in zip(chosen.tolist(), _places(size, per_canvas, generator), strict=True):
            digit, window = split.x[index, 0], (slice(top, top + 8), slice(left, left + 8))
            canvas_x[0][window] = digit
            canvas_y[window] = torch.where(digit > 0, 1 + split.y[index], 0)
    return Examples(x, y)


def _places(size: int, count: int, generator: torch.Generator) -> list[tuple[int, int]]:
    """Return corners of ``count`` squares of 8 × 8 that do not overlap: random cells of a grid, jittered."""
    cells = size // 8
    step = size // cells
    picked = torch.randperm(cells * cells, generator=generator)[:count]
    jitter = torch.randint(step - 8 + 1, (count, 2), generator=generator)
    corners = torch.stack((picked // cells, picked % cells), 1) * step + jitter
    return [(int(top), int(left)) for top, left in corners]
