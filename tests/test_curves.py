from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablate.analysis import bands, effects, runs
from ablate.analysis.convergence import convergence

STEPS = [10, 20, 30, 40]


def curves(seeds: int = 5, state: int = 0) -> pd.DataFrame:
    """Return accuracy that rises faster with bn, and its loss."""
    rng = np.random.default_rng(state)
    rows = []
    for norm in ("none", "bn"):
        for act in ("relu", "tanh"):
            for seed in range(seeds):
                for step in STEPS:
                    acc = 1 - math.exp(-step / (10 if norm == "bn" else 20)) + rng.normal(0, 0.01)
                    key = {"norm": norm, "act": act, "seed": seed, "step": step}
                    rows += [key | {"metric": "val/acc", "value": acc}, key | {"metric": "val/loss", "value": 1 - acc}]
    return pd.DataFrame(rows)


def test_curves_become_runs_that_can_be_compared() -> None:
    frame = runs(
        curves(), ["norm", "act"], metric="val/acc", loss="val/loss", higher_is_better=True, target=0.8, chance=1.0
    )
    assert len(frame) == 20
    of = curves().query("norm == 'bn' and act == 'tanh' and seed == 3")
    acc, loss = (of.loc[of["metric"] == name, "value"].to_numpy() for name in ("val/acc", "val/loss"))
    by_hand = convergence(np.array(STEPS, float), acc, loss, higher_is_better=True, target=0.8, chance=1.0, budget=40)
    row = frame.query("norm == 'bn' and act == 'tanh' and seed == 3").iloc[0]
    for name in ("steps_to_target", "best", "best_step", "final", "area", "budget", "reached", "diverged"):
        assert row[name] == getattr(by_hand, name)
    found = effects(frame, ["norm", "act"], ["area", "steps_to_target"])
    assert found.contrasts[0].test.mean < 0


def test_a_run_that_stopped_early_had_the_budget_of_the_others() -> None:
    whole = curves()
    stopped = whole.drop(whole.query("norm == 'bn' and seed == 0 and step > 20").index)
    frame = runs(stopped, ["norm", "act"], metric="val/acc", loss="val/loss", higher_is_better=True, target=0.99)
    row = frame.query("norm == 'bn' and seed == 0").iloc[0]
    assert (row["steps"], row["budget"], row["reached"]) == (20, 40, False)


def test_curves_that_are_not_there_are_named() -> None:
    with pytest.raises(ValueError, match=r"There is no curve 'val/f1'\. There is val/acc, val/loss\."):
        runs(curves(), ["norm", "act"], metric="val/f1", loss="val/loss", higher_is_better=True)
    with pytest.raises(ValueError, match="There is no curve 'val/f1'"):
        bands(curves(), ["norm", "act"], "val/f1")
    with pytest.raises(ValueError, match="name the factor that tells the runs apart"):
        bands(curves(), ["norm"], "val/acc")
    with pytest.raises(ValueError, match="no column opt"):
        bands(curves(), ["opt"], "val/acc")


def test_a_band_is_the_mean_over_arms_within_each_seed_and_t_over_seeds() -> None:
    found = bands(curves(), ["norm", "act"], "val/acc", confidence=0.9)
    assert found.columns.tolist() == ["factor", "level", "step", "mean", "low", "high", "seeds"]
    assert len(found) == 4 * len(STEPS)
    of = curves().query("metric == 'val/acc' and norm == 'bn' and step == 20")
    per_seed = of.groupby("seed")["value"].mean()
    interval = stats.ttest_1samp(per_seed, 0).confidence_interval(0.9)
    row = found.query("factor == 'norm' and level == 'bn' and step == 20").iloc[0]
    assert (row["mean"], row["low"], row["high"], row["seeds"]) == pytest.approx(
        (per_seed.mean(), interval.low, interval.high, 5)
    )


def test_seeds_without_all_arms_do_not_count_and_one_seed_has_no_band() -> None:
    whole = curves(seeds=2)
    part = whole.drop(whole.query("norm == 'bn' and act == 'tanh' and seed == 1").index)
    found = bands(part, ["norm", "act"], "val/acc").set_index(["factor", "level", "step"])
    assert found.loc[("norm", "bn", 20), "seeds"] == 1
    assert np.isnan(found["low"]["norm", "bn", 20])
    assert found.loc[("norm", "none", 20), "seeds"] == 2


def test_curves_measured_at_different_steps_are_joined_by_straight_lines() -> None:
    key = {"act": "relu", "seed": 0, "metric": "val/acc"}
    rows = [key | {"norm": "bn", "step": step, "value": step / 10} for step in (10, 20, 30)]
    rows += [key | {"norm": "none", "step": step, "value": 1.0} for step in (10, 15, 30)]
    found = bands(pd.DataFrame(rows), ["norm", "act"], "val/acc").set_index(["factor", "level", "step"])["mean"]
    assert found["norm", "bn", 15] == pytest.approx(1.5)
    assert found["act", "relu", 20] == pytest.approx(1.5)
    ended = pd.DataFrame([row for row in rows if not (row["norm"] == "none" and row["step"] == 30)])
    found = bands(ended, ["norm", "act"], "val/acc").set_index(["factor", "level", "step"])["mean"]
    assert ("norm", "none", 15) in found.index
    assert ("norm", "none", 30) not in found.index
