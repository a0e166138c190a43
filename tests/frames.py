"""Frames of runs with planted effects."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

Levels = dict[str, Any]


def grid(levels: Mapping[str, Sequence[Any]], seeds: int, value: Callable[[Levels, int], Levels]) -> pd.DataFrame:
    """Return a full factorial: one row per arm and seed, with what ``value(levels, seed)`` gives."""
    arms = [dict(zip(levels, combination, strict=True)) for combination in itertools.product(*levels.values())]
    return pd.DataFrame([arm | {"seed": seed} | value(arm, seed) for arm in arms for seed in range(seeds)])


def noisy(
    levels: Mapping[str, Sequence[Any]],
    seeds: int,
    truth: Callable[[Levels], float],
    state: int = 0,
    noise: float = 0.01,
    shared: float = 0.02,
    column: str = "val/acc",
) -> pd.DataFrame:
    """Return a full factorial of ``truth`` plus an effect of the seed, common to all arms, and noise of each run."""
    rng = np.random.default_rng(state)
    common = rng.normal(0, shared, size=seeds)
    return grid(levels, seeds, lambda arm, seed: {column: truth(arm) + common[seed] + rng.normal(0, noise)})
