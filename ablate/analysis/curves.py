"""Tidy curves: to the runs they are of, and to mean curves with bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from scipy import stats

from ablate.analysis.convergence import Floats, convergence
from ablate.analysis.table import Bools, Ints, check, is_absent, label, tabulate


def runs(
    curves: pd.DataFrame,
    factors: Sequence[str],
    *,
    metric: str,
    loss: str,
    higher_is_better: bool,
    target: float | None = None,
    chance: float | None = None,
    budget: float | None = None,
    seed: str = "seed",
) -> pd.DataFrame:
    """Return one row per run, for ``effects``, from curves: columns factors, seed, ``step``, ``metric``, ``value``.

    ``metric`` and ``loss`` name validation curves, both measured at the same steps; ``target``, ``chance`` and
    ``budget`` are those of ``convergence``. Without a budget it is the largest step of all runs, so that one which
    stopped early counts as not having reached what it had not.
    """
    check(curves, [*factors, seed, "step", "metric", "value"])
    if absent := {metric, loss} - set(curves["metric"]):
        raise ValueError(f"There is no curve {min(absent)!r}. There is {_names(curves)}.")
    of = curves[curves["metric"].isin([metric, loss])]
    most = float(of["step"].max()) if budget is None else budget
    run, first = _numbered(of, factors, seed)
    steps, there, _ = _wide(of.assign(value=1.0), run, len(first))
    both = [_wide(of[mask], run[mask], len(first), steps)[2] for mask in (of["metric"] == metric, of["metric"] == loss)]
    rows = []
    for at, keys in enumerate(first[[*factors, seed]].to_dict("records")):
        own = there[:, at]
        summary = convergence(
            steps[own],
            both[0][own, at],
            both[1][own, at],
            higher_is_better=higher_is_better,
            target=target,
            chance=chance,
            budget=most,
        )
        rows.append(keys | asdict(summary))
    return pd.DataFrame(rows)


def bands(
    curves: pd.DataFrame, factors: Sequence[str], metric: str, *, confidence: float = 0.95, seed: str = "seed"
) -> pd.DataFrame:
    """Return the mean curve of each level of each factor with a t band: factor, level, step, mean, low, high, seeds.

    Runs are averaged over the other factors within each seed first, and the band is Student's t over the seeds, at
    each step by itself (``scipy.stats.t``): it covers the mean at one step, not the whole curve. At a step only seeds
    count that have all runs of the level there; where arms were measured at different steps their curves are joined
    by straight lines. ``low`` and ``high`` are NaN with one seed.
    """
    check(curves, [*factors, seed, "step", "metric", "value"])
    of = curves[curves["metric"] == metric]
    if not len(of):
        raise ValueError(f"There is no curve {metric!r}. There is {_names(curves)}.")
    run, first = _numbered(of, factors, seed)
    steps, _, values = _wide(of, run, len(first))
    if np.isnan(values).any():
        values = pd.DataFrame(values, index=steps).interpolate(method="index", limit_area="inside").to_numpy()
    values = np.where(np.isfinite(values), values, np.nan)  # what is infinite has no mean
    table = tabulate(first, factors, seed)
    parts = []
    for factor in table.factors:
        for level, value in enumerate(table.levels[factor]):
            arms = table.at(factor, level)
            rows = table.rows[arms]  # (arms, seeds)
            whole = rows[:, (rows >= 0).all(axis=0)]
            band = _band(steps, values[:, whole].mean(axis=1).T, confidence)
            parts.append(band.assign(factor=factor, level=[value] * len(steps)))
    found = pd.concat(parts, ignore_index=True)
    return found.loc[found["seeds"] > 0, ["factor", "level", "step", "mean", "low", "high", "seeds"]].reset_index(
        drop=True
    )


def _names(curves: pd.DataFrame) -> str:
    return ", ".join(sorted(map(str, set(curves["metric"]))))


def _numbered(curves: pd.DataFrame, factors: Sequence[str], seed: str) -> tuple[Ints, pd.DataFrame]:
    """Return the number of the run that each row is of, and the first row of each run."""
    texts = [["" if is_absent(value) else label(value) for value in curves[name]] for name in (*factors, seed)]
    numbers: dict[tuple[str, ...], int] = {}
    run = np.array([numbers.setdefault(key, len(numbers)) for key in zip(*texts, strict=True)])
    if curves[["step", "metric"]].assign(run=run).duplicated().any():
        raise ValueError("A run has two values of one metric at one step: name the factor that tells the runs apart.")
    _, first = np.unique(run, return_index=True)
    return run, curves.iloc[first].reset_index(drop=True)


def _wide(curves: pd.DataFrame, run: Ints, runs: int, steps: Floats | None = None) -> tuple[Floats, Bools, Floats]:
    """Return the steps (steps,), which run was measured there (steps, runs), and the values, NaN where it was not."""
    measured = curves["step"].to_numpy(dtype=float)
    grid = np.unique(measured) if steps is None else steps
    values = np.full((len(grid), runs), np.nan)
    there = np.zeros(values.shape, dtype=bool)
    at = np.searchsorted(grid, measured), run
    values[at] = curves["value"].to_numpy(dtype=float)
    there[at] = True
    return grid, there, values


def _band(steps: Floats, values: Floats, confidence: float) -> pd.DataFrame:
    seeds = np.isfinite(values).sum(axis=0)
    mean = np.full(len(steps), np.nan)
    half = np.full(len(steps), np.nan)
    some, several = seeds > 0, seeds > 1
    mean[some] = np.nanmean(values[:, some], axis=0)
    error = np.nanstd(values[:, several], axis=0, ddof=1) / np.sqrt(seeds[several])
    half[several] = stats.t.ppf((1 + confidence) / 2, seeds[several] - 1) * error
    return pd.DataFrame({"step": steps, "mean": mean, "low": mean - half, "high": mean + half, "seeds": seeds})
