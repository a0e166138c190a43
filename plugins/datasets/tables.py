"""Small tables that ship with scikit-learn: N rows · F features."""

from __future__ import annotations

import functools

import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

from ablate.dataset import Examples, Splits, random_split


@functools.cache
def _diabetes() -> Examples:
    raw = load_diabetes(scaled=False)
    return Examples(torch.tensor(raw.data, dtype=torch.float32), torch.tensor(raw.target, dtype=torch.float32)[:, None])


def diabetes(seed: int) -> Splits:
    """Return 442 patients with 10 raw features (N, 10) and the progression of the disease (N, 1)."""
    return random_split(*_diabetes(), seed)


CLASSIFICATIONS = {"breast_cancer": load_breast_cancer, "wine": load_wine, "iris": load_iris}


@functools.cache
def _classification(name: str) -> Examples:
    raw = CLASSIFICATIONS[name]()
    return Examples(torch.tensor(raw.data, dtype=torch.float32), torch.tensor(raw.target).long())


def breast_cancer(seed: int) -> Splits:
    """Return 569 tumours with 30 features (N, 30): malignant (0) or benign (1)."""
    return random_split(*_classification("breast_cancer"), seed)


def wine(seed: int) -> Splits:
    """Return 178 wines with 13 features (N, 13) and their growers (N,), 0 to 2."""
    return random_split(*_classification("wine"), seed)


def iris(seed: int) -> Splits:
    """Return 150 flowers with 4 features (N, 4) and their species (N,), 0 to 2."""
    return random_split(*_classification("iris"), seed)
