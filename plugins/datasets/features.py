"""Regressions on drawn features: N examples · F features."""

from __future__ import annotations

import torch

from ablate.dataset import Examples, Splits
from ablate.variations import stream

from .drawn import splits

NOISE = 0.1
"""The noise's share of the target's variance."""


def shares(features: int, rarest: float) -> torch.Tensor:
    """Return in which share of the examples each feature is not 0 (F,): from 1 down to ``rarest``."""
    return torch.logspace(0, torch.tensor(rarest).log10().item(), features)


def rare(seed: int, count: int, features: int, rarest: float) -> Splits:
    """Return features (N, F) and a target (N, 1) of variance 1: Σⱼ wⱼ xⱼ + noise, wⱼ² in proportion to 1 / shareⱼ.

    The signs of the weights are drawn by seed; all three splits share them.
    """
    share = shares(features, rarest)
    signs = 2.0 * torch.randint(2, (features,), generator=stream(seed, "signs")) - 1
    weights = signs * ((1 - NOISE) / (features * share)).sqrt()  # (F,)

    def draw(n: int, generator: torch.Generator) -> Examples:
        there = torch.rand(n, features, generator=generator) < share
        x = torch.randn(n, features, generator=generator) * there  # (N, F)
        noise = NOISE**0.5 * torch.randn(n, 1, generator=generator)
        return Examples(x, x @ weights[:, None] + noise)

    return splits(draw, count, seed)
