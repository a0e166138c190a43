from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from ablate.analysis import Contrast, Verdict, effects
from tests.frames import Levels, grid

LEVELS: dict[str, list[Any]] = {"norm": ["none", "bn"], "act": ["relu", "sigmoid"]}


def planted(ratio: float, budget: float, seeds: int = 10, state: int = 0, extra: Levels | None = None) -> pd.DataFrame:
    """Return runs in which bn takes ``ratio`` of the steps; cut off at the budget."""
    rng = np.random.default_rng(state)
    common = rng.normal(0, 0.3, size=seeds)

    def run(arm: Levels, seed: int) -> Levels:
        time = 100 * 2 ** (common[seed] + rng.normal(0, 0.15)) * (ratio if arm["norm"] == "bn" else 1)
        return {"steps_to_target": time if time <= budget else None} | (extra or {})

    return grid(LEVELS, seeds, run)


def norm(frame: pd.DataFrame, **given: Any) -> Contrast:
    return effects(frame, ["norm", "act"], "steps_to_target", **given).contrasts[0]


def test_steps_are_compared_as_a_ratio() -> None:
    one = norm(planted(0.5, 1000), budget=1000)
    assert one.test.verdict is Verdict.faster
    assert one.test.estimate == pytest.approx(0.5, rel=0.1)
    assert one.sentence().startswith("norm=bn against norm=none: 0.")
    assert "× the steps to target [0." in one.sentence()
    assert (one.side.censored, one.baseline_side.censored) == (0, 0)
    assert norm(planted(2.0, 1000), budget=1000).test.verdict is Verdict.slower
    assert not norm(planted(1.0, 1000, state=1), budget=1000).test.verdict.effect


def test_the_ratio_is_the_mean_of_log2_of_times_up_to_the_budget() -> None:
    frame = planted(0.5, 120)
    one = norm(frame, budget=120)
    cut = frame["steps_to_target"].astype(float).fillna(120)
    wide = frame.assign(time=np.log2(cut)).pivot(index="seed", columns=["norm", "act"], values="time")
    by_hand = pd.DataFrame(wide["bn"] - wide["none"]).mean(axis=1)
    assert list(one.test.differences) == pytest.approx(by_hand.tolist())
    assert one.test.estimate == pytest.approx(2 ** by_hand.mean())


def test_the_restricted_mean_is_the_area_under_the_kaplan_meier_curve() -> None:
    frame = planted(0.5, 120)
    one = norm(frame, budget=120)
    assert one.baseline_side.censored
    for side in (one.side, one.baseline_side):
        times = frame.loc[frame["norm"] == side.level, "steps_to_target"].astype(float)
        event = times.notna().to_numpy()
        curve = SurvfuncRight(times.fillna(120).to_numpy(), event.astype(int))
        at = np.concatenate([[0.0], curve.surv_times, [120.0]])
        height = np.concatenate([[1.0], curve.surv_prob])
        assert side.mean == pytest.approx(np.sum(np.diff(at) * height))
        assert side.censored == (~event).sum()
        assert side.censored_share == pytest.approx((~event).mean())


def test_what_was_not_reached_is_reported_and_bounds_the_ratio() -> None:
    one = norm(planted(4.0, 150), budget=150)
    assert one.side.censored == 20
    assert one.baseline_side.censored == 0
    says = one.sentence()
    assert "Not reached within 150 steps: 20 of 20 runs with norm=bn and 0 of 20 runs with norm=none" in says
    assert says.endswith("Without the cut-off the estimate would be at least that.")
    other = norm(planted(4.0, 150), budget=150, baseline={"norm": "bn"})
    assert other.sentence().endswith("Without the cut-off the estimate would be at most that.")
    assert other.test.verdict is Verdict.faster


def test_nothing_is_said_of_times_that_nobody_reached() -> None:
    found = effects(planted(1.0, 1), ["norm", "act"], "steps_to_target", budget=1)
    assert not found.contrasts
    assert not found.interactions
    assert [one.sentence() for one in found.refused] == [
        "Not estimated: norm=bn against norm=none, act=sigmoid against act=relu and norm×act: "
        "no run reached the target within the budget."
    ]


def test_times_that_were_cut_off_are_never_called_the_same() -> None:
    frame = grid(LEVELS, 10, lambda arm, seed: {"steps_to_target": 50.0 if arm["act"] == "relu" else None})
    one = norm(frame, budget=100)
    assert (one.test.mean, one.test.verdict) == (0.0, Verdict.inconclusive)
    assert "some runs end at the budget, so a larger one or an easier target would tell more" in one.sentence()


def test_a_time_after_the_budget_counts_as_not_reached() -> None:
    frame = planted(0.5, 1000)
    one = norm(frame, budget=80)
    late = frame.loc[frame["norm"] == "none", "steps_to_target"].astype(float) > 80
    assert one.baseline_side.censored == late.sum() > 0


def test_the_budget_is_a_number_a_column_or_the_longest_run() -> None:
    expected = norm(planted(0.5, 120), budget=120).test
    column = planted(0.5, 120, extra={"budget": 120.0, "steps": 90.0})
    assert norm(column).test == expected
    assert norm(column.rename(columns={"budget": "had"}), budget="had").test == expected
    ended = planted(0.5, 120, extra={"steps": 60.0})
    ended.loc[0, "steps"] = 120.0  # the others stopped or diverged before, and will not reach it any more
    assert norm(ended).test == expected
    with pytest.raises(ValueError, match=r"Some runs have no steps_to_target.*give budget="):
        norm(planted(0.5, 120))


def test_failed_runs_are_not_taken_for_runs_that_did_not_reach_it() -> None:
    frame = planted(0.5, 1000)
    frame["status"] = "finished"
    frame.loc[[0, 1], ["status", "steps_to_target"]] = ["failed", None]
    one = norm(frame, budget=1000)
    assert (one.baseline_side.censored, one.baseline_side.absent, one.pairs) == (0, 2, 16)


def test_unequal_budgets_add_a_stratified_log_rank_test() -> None:
    frame = planted(0.7, 1000)
    frame["budget"] = np.where(frame["act"] == "relu", 90.0, 200.0)
    frame["steps_to_target"] = frame["steps_to_target"].astype(float)
    frame.loc[frame["steps_to_target"] > frame["budget"], "steps_to_target"] = np.nan
    one = norm(frame)
    time = frame["steps_to_target"].fillna(frame["budget"]).to_numpy()
    strata = (frame["act"] + frame["seed"].astype(str)).to_numpy()
    event = frame["steps_to_target"].notna().to_numpy().astype(int)
    _, p = survdiff(time, event, (frame["norm"] == "bn").to_numpy().astype(int), strata=strata)
    assert one.p_logrank == pytest.approx(p)
    # by hand: in a stratum of two the first event has expectation 1/2 and variance 1/4, unless the other was cut before
    score = variance = 0.0
    frame["time"], frame["event"] = time, event
    for _, pair in frame.groupby(["act", "seed"]):
        bn, none = (pair[pair["norm"] == level].iloc[0] for level in ("bn", "none"))
        first = min((run["time"] for run in (bn, none) if run["event"]), default=math.inf)
        if first <= min(bn["time"], none["time"]):
            score += (bn["time"] == first) - 0.5
            variance += 0.25
    assert one.p_logrank == pytest.approx(stats.chi2.sf(score**2 / variance, 1))
    assert "Not reached within 90 steps" in one.sentence()
    assert norm(planted(0.5, 1000), budget=1000).p_logrank is None


def test_an_interaction_of_times_that_were_cut_off_says_so() -> None:
    rng = np.random.default_rng(0)

    def run(arm: Levels, seed: int) -> Levels:
        time = 100 * 2 ** rng.normal(0, 0.05) * (0.5 if arm["norm"] == "bn" else 1) * (3 if arm["act"] == "relu" else 1)
        return {"steps_to_target": time if time <= 160 else None}

    (one,) = effects(grid(LEVELS, 10, run), ["norm", "act"], "steps_to_target", budget=160).interactions
    assert one.test.verdict is Verdict.inconclusive  # without the budget, both by the same
    assert one.reading() == "whether the effect of norm=bn against norm=none differs between sigmoid and relu is open"
    assert ": inconclusive: times that end at the budget may explain it (10 seeds" in one.sentence()
    assert "of 40 runs did not reach the target: their times end at the budget." in one.sentence()


def test_an_interaction_that_later_times_would_only_enlarge_is_called() -> None:
    rng = np.random.default_rng(0)
    of = {("bn", "sigmoid"): 50, ("none", "sigmoid"): 300}

    def run(arm: Levels, seed: int) -> Levels:
        time = of.get((arm["norm"], arm["act"]), 100) * 2 ** rng.normal(0, 0.05)
        return {"steps_to_target": time if time <= 160 else None}

    (one,) = effects(grid(LEVELS, 10, run), ["norm", "act"], "steps_to_target", budget=160).interactions
    assert (one.test.verdict, one.censored) == (Verdict.faster, (10, 40))


def on_grid(time: float, before: float, seeds: int = 10) -> pd.DataFrame:
    """Return runs of two levels that all get there between the same two points."""
    value = {"steps_to_target": time, "steps_before": before}
    return grid({"norm": ["none", "bn"]}, seeds, lambda arm, seed: value)


def one_of(frame: pd.DataFrame) -> Contrast:
    return effects(frame, ["norm"], "steps_to_target", budget=1000).contrasts[0]


def test_the_same_interval_is_not_the_same_time() -> None:
    wide = one_of(on_grid(34, 17))
    assert (wide.test.slack, wide.test.estimate, wide.test.verdict) == (1.0, 1.0, Verdict.inconclusive)
    assert wide.test.p_equivalent is wide.test.p_equivalent_flip is wide.test.seeds_needed is None
    assert "times lie between two validations, so more of them (trainer.validations) would tell more" in wide.sentence()
    narrow = one_of(on_grid(510, 500))
    assert narrow.test.slack == pytest.approx(math.log2(1.02))
    assert narrow.test.verdict is Verdict.none
    assert one_of(on_grid(34, 17).drop(columns="steps_before")).test.verdict is Verdict.none  # exact times


def test_the_margin_of_an_equivalence_is_smaller_by_what_the_grid_leaves_open() -> None:
    frame = planted(1.0, 1e9, state=2)
    frame["steps_before"] = frame["steps_to_target"] / np.where(frame["norm"] == "bn", 1.05, 1.02)
    one = norm(frame, budget=1e9)
    d = np.array(one.test.differences)
    room = math.log2(1.1) - math.log2(1.05)
    error = d.std(ddof=1) / math.sqrt(10)
    by_hand = max(stats.t.sf((d.mean() + room) / error, 9), stats.t.cdf((d.mean() - room) / error, 9))
    assert one.test.p_equivalent == pytest.approx(by_hand, abs=1e-12)


def test_runs_that_were_there_at_the_first_point_are_counted() -> None:
    frame = on_grid(17, 0)
    frame.loc[frame["norm"] == "none", "steps_before"] = 8
    one = one_of(frame)
    assert (one.side.first, one.baseline_side.first, one.test.slack) == (10, 0, math.inf)
    assert one.test.verdict is Verdict.inconclusive
    assert one.sentence().endswith(
        "Reached at the first point: 10 of 10 runs with norm=bn and 0 of 10 runs with norm=none; "
        "more trainer.validations would tell."
    )
