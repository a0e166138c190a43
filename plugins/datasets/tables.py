"""Small tables that ship with scikit-learn."""

from __future__ import annotations

import functools

import torch
from sklearn.datasets import load_diabetes

from ablate.dataset import Examples, Splits, random_split


@functools.cache
def _diabetes() -> Examples:
    raw = load_diabetes(scaled=False)
    return Examples(torch.tensor(raw.data, dtype=torch.float32), torch.tensor(raw.target, dtype=torch.float32)[:, None])


def diabetes(seed: int) -> Splits:
    """Return 442 patients with 10 raw features (N, 10) and the progression of the disease (N, 1)."""
    return random_split(*_diabetes(), seed)
