"""Tidy curves: to the runs they are of, and to mean curves with bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ablate.analysis.convergence import Floats, convergence
from ablate.analysis.table import check, is_absent, label, tabulate


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
    keys = [
        of[name].map(lambda value: None if is_absent(value) else label(value)).fillna("") for name in (*factors, seed)
    ]
    rows = []
    for _, one in of.groupby(keys, sort=False):
        wide = one.pivot_table(
            index="step", columns="metric", values="value", aggfunc="first", dropna=False
        ).sort_index()
        steps = wide.index.to_numpy(dtype=float)
        measured = [
            wide[name].to_numpy(dtype=float) if name in wide else np.full(len(wide), np.nan) for name in (metric, loss)
        ]
        summary = convergence(
            steps, *measured, higher_is_better=higher_is_better, target=target, chance=chance, budget=most
        )
        rows.append({name: one[name].iloc[0] for name in (*factors, seed)} | asdict(summary))
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
    key = of[list(factors)].map(lambda value: "" if is_absent(value) else label(value)).agg("\0".join, axis=1)
    wide = of.assign(arm=key).pivot(index="step", columns=["arm", seed], values="value").sort_index()
    if wide.isna().any(axis=None):
        wide = wide.interpolate(method="index", limit_area="inside")
    first = of.assign(arm=key).drop_duplicates(["arm", seed]).reset_index(drop=True)
    table = tabulate(first, factors, seed)
    parts = []
    for factor in table.factors:
        for level, value in enumerate(table.levels[factor]):
            arms = table.at(factor, level)
            per_seed = []
            for at, one in enumerate(table.seeds):
                rows = table.rows[arms, at]
                if (rows >= 0).all():
                    per_seed.append(
                        wide[[(first["arm"][row], one) for row in rows]].mean(axis=1, skipna=False).to_numpy()
                    )
            values = np.array(per_seed).reshape(-1, len(wide))  # (seeds, steps)
            parts.append(_band(wide.index, values, confidence).assign(factor=factor, level=[value] * len(wide)))
    found = pd.concat(parts, ignore_index=True)
    return found.loc[found["seeds"] > 0, ["factor", "level", "step", "mean", "low", "high", "seeds"]].reset_index(
        drop=True
    )


def _names(curves: pd.DataFrame) -> str:
    return ", ".join(sorted(map(str, set(curves["metric"]))))


def _band(steps: pd.Index[Any], values: Floats, confidence: float) -> pd.DataFrame:
    seeds = np.isfinite(values).sum(axis=0)
    mean = np.full(len(steps), np.nan)
    half = np.full(len(steps), np.nan)
    some, several = seeds > 0, seeds > 1
    mean[some] = np.nanmean(values[:, some], axis=0)
    error = np.nanstd(values[:, several], axis=0, ddof=1) / np.sqrt(seeds[several])
    half[several] = stats.t.ppf((1 + confidence) / 2, seeds[several] - 1) * error
    return pd.DataFrame({"step": steps, "mean": mean, "low": mean - half, "high": mean + half, "seeds": seeds})
