from __future__ import annotations

import itertools
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ablate.analysis
from ablate.analysis import Effects, Metric, Scale, Verdict, effects
from ablate.facts import Status
from tests.frames import Levels, grid, noisy

NORM_ACT: dict[str, list[Any]] = {"norm": ["none", "bn", "ln"], "act": ["relu", "sigmoid"]}


def truth(arm: Levels) -> float:
    return 0.8 + 0.03 * float(arm["norm"] == "bn") + 0.05 * float(arm["act"] == "sigmoid")


def contrasts_of(found: Effects) -> dict[str, Any]:
    return {one.name: one for one in found.contrasts}


def test_planted_effects_are_found_and_nothing_else() -> None:
    found = effects(noisy(NORM_ACT, 10, truth, noise=0.004), ["norm", "act"], "val/acc")
    verdicts = {one.name: str(one.test.verdict) for one in found.contrasts}
    assert verdicts == {
        "norm=bn against norm=none": "better",
        "norm=ln against norm=none": "no effect",
        "act=sigmoid against act=relu": "better",
    }
    bn = contrasts_of(found)["norm=bn against norm=none"]
    assert bn.test.estimate == pytest.approx(3.0, abs=4 * 100 * bn.test.sd / math.sqrt(10))
    assert bn.test.family == 3
    assert (bn.pairs, bn.pairs_planned, bn.side.used, bn.baseline_side.used) == (20, 20, 20, 20)


def test_a_contrast_is_the_mean_over_the_other_factors_within_each_seed() -> None:
    frame = noisy(NORM_ACT | {"opt.lr": [0.1, 0.01]}, 7, truth).sample(frac=1, random_state=1)
    found = effects(frame, ["norm", "act", "opt.lr"], "val/acc", baseline={"norm": "none"}, pairs="all")
    by_hand = {}
    for a, b in (("bn", "none"), ("ln", "none"), ("ln", "bn"), ("bn", "ln")):
        per_seed = []
        for seed in range(7):
            gaps = []
            for act, lr in itertools.product(["relu", "sigmoid"], [0.1, 0.01]):
                rows = frame[(frame["act"] == act) & (frame["opt.lr"] == lr) & (frame["seed"] == seed)]
                cell = rows.set_index("norm")["val/acc"]
                gaps.append(cell[a] - cell[b])
            per_seed.append(sum(gaps) / 4)
        by_hand[f"norm={a} against norm={b}"] = per_seed
    seen = contrasts_of(found)
    norms = [name for name in seen if name.startswith("norm")]
    assert len(norms) == 3
    for name in norms:
        assert sorted(seen[name].test.differences) == pytest.approx(sorted(by_hand[name]), abs=1e-14)
        reference = stats.ttest_1samp(by_hand[name], 0)
        assert seen[name].test.p == pytest.approx(reference.pvalue, rel=1e-9)


def test_pairing_takes_the_seed_out() -> None:
    calm, rough = (
        contrasts_of(effects(noisy(NORM_ACT, 10, truth, shared=shared), ["norm", "act"], "val/acc"))
        for shared in (0.0, 0.5)
    )
    for name, one in calm.items():
        assert rough[name].test.interval == pytest.approx(one.test.interval, abs=1e-12)


def test_the_baseline_is_the_first_level_unless_it_is_given() -> None:
    frame = noisy(NORM_ACT, 5, truth)
    assert {one.baseline for one in effects(frame, ["norm", "act"], "val/acc").contrasts} == {"none", "relu"}
    given = effects(frame, ["norm", "act"], "val/acc", baseline={"norm": "ln"})
    assert [one.name for one in given.contrasts][:2] == ["norm=none against norm=ln", "norm=bn against norm=ln"]


def test_within_each_level_of_another_factor() -> None:
    def helps_sigmoid(arm: Levels) -> float:
        return 0.86 if arm["norm"] == "bn" and arm["act"] == "sigmoid" else 0.8

    frame = noisy(NORM_ACT, 10, helps_sigmoid, noise=0.004)
    found = effects(frame, ["norm", "act"], "val/acc", by="act")
    seen = contrasts_of(found)
    assert seen["norm=bn against norm=none within act=sigmoid"].test.verdict is Verdict.better
    assert seen["norm=bn against norm=none within act=relu"].test.verdict is Verdict.none
    assert {one.test.family for one in found.contrasts} == {4}
    assert not found.interactions
    assert not found.shares
    alone = effects(frame[frame["act"] == "sigmoid"], ["norm"], "val/acc")
    assert seen["norm=bn against norm=none within act=sigmoid"].test.differences == alone.contrasts[0].test.differences


def test_seeds_that_are_not_complete_are_left_out_and_counted() -> None:
    frame = noisy(NORM_ACT, 10, truth)
    frame["status"] = "finished"
    frame.loc[(frame["norm"] == "bn") & (frame["act"] == "relu") & (frame["seed"] < 3), "status"] = "failed"
    frame = frame.drop(frame[(frame["norm"] == "none") & (frame["act"] == "relu") & (frame["seed"] == 7)].index)
    frame.loc[frame["status"] == "failed", "val/acc"] = 99.0  # what a failed run left is not read
    found = effects(frame, ["norm", "act"], "val/acc")
    bn = contrasts_of(found)["norm=bn against norm=none"]
    wide = frame[frame["status"] == "finished"].pivot(index="seed", columns=["norm", "act"], values="val/acc")
    gaps = pd.DataFrame({act: wide["bn", act] - wide["none", act] for act in ("relu", "sigmoid")})
    assert list(bn.test.differences) == pytest.approx(gaps.dropna().mean(axis=1).tolist())
    assert (bn.test.seeds, bn.pairs, bn.pairs_planned, bn.side.absent, bn.baseline_side.absent) == (6, 12, 20, 3, 1)
    assert "6 of 10 seeds are complete; the others are left out." in bn.sentence()
    assert "Runs missing or failed: 3 with norm=bn and 1 with norm=none." in bn.sentence()
    assert "56 of 60 runs are there: 4 are missing or failed." in found.notes


def unbalanced(lost: int, act: str = "sigmoid") -> pd.DataFrame:
    """Return runs in which bn costs 4 points with sigmoid and none with relu; of so many seeds one is missing."""
    size = {("bn", "sigmoid"): 0.76}
    levels = {"norm": ["none", "bn"], "act": ["relu", "sigmoid"]}
    frame = grid(levels, 10, lambda arm, seed: {"val/acc": size.get((arm["norm"], arm["act"]), 0.8) + seed / 1000})
    gone = (frame["norm"] == "bn") & (frame["act"] == act) & (frame["seed"] < lost)
    return frame.assign(status=np.where(gone, "failed", "finished"))


@pytest.mark.parametrize("lost", [0, 3, 5])
def test_an_average_over_cells_is_over_the_same_cells_in_every_seed(lost: int) -> None:
    one = effects(unbalanced(lost), ["norm", "act"], "val/acc").contrasts[0]
    assert one.test.differences == pytest.approx([-0.02] * (10 - lost), abs=1e-14)  # the average of 0 and −4 points


@pytest.mark.parametrize(("lost", "seeds"), [(6, 10), (10, 10)])
def test_a_cell_that_too_few_seeds_have_is_given_up_and_named(lost: int, seeds: int) -> None:
    one = effects(unbalanced(lost), ["norm", "act"], "val/acc").contrasts[0]
    assert one.test.differences == pytest.approx([0.0] * seeds, abs=1e-14)
    assert f"Over act=relu only: too few seeds have a complete pair with act=sigmoid ({10 - lost})." in one.notes
    assert not [note for note in one.notes if "seeds are complete" in note]


def test_with_few_seeds_no_cell_is_given_up_that_any_seed_shares() -> None:
    frame = unbalanced(1)
    one = effects(frame[frame["seed"] < 3], ["norm", "act"], "val/acc").contrasts[0]
    assert one.test.differences == pytest.approx([-0.02] * 2, abs=1e-14)


@pytest.mark.parametrize("status", list(Status))
def test_runs_count_that_came_to_their_own_end_and_no_others(status: Status) -> None:
    frame = noisy(NORM_ACT, 6, truth)
    frame["status"] = [str(status), *["finished"] * (len(frame) - 1)]
    found = effects(frame, ["norm", "act"], "val/acc")
    (absent,) = {one.baseline_side.absent for one in found.contrasts if one.factor == "norm"}
    assert absent == (0 if status.done else 1)


def test_a_run_that_was_killed_before_it_was_measured_has_no_steps_to_target() -> None:
    frame = noisy({"norm": ["none", "bn"]}, 6, lambda _: 100.0, column="steps_to_target")
    frame = frame.assign(status="finished", budget=340.0)
    first = frame.index == 0
    frame.loc[first, "status"] = "killed"
    frame.loc[first, ["steps_to_target", "budget"]] = math.nan
    (one,) = effects(frame, ["norm"], "steps_to_target").contrasts
    assert (one.test.seeds, one.baseline_side.censored, one.baseline_side.absent) == (5, 0, 1)


def test_seeds_without_any_pair_do_not_count() -> None:
    frame = noisy({"norm": ["none", "bn"]}, 8, lambda _: 0.8)
    frame = frame[~((frame["norm"] == "bn") & (frame["seed"] >= 5))]
    (one,) = effects(frame, ["norm"], "val/acc").contrasts
    assert (one.test.seeds, one.pairs, one.pairs_planned) == (5, 5, 8)


def test_diverged_runs_are_counted_and_tested_by_seed() -> None:
    frame = noisy({"norm": ["bn", "none"], "act": ["relu", "tanh"]}, 10, lambda _: 0.8)
    lost = (frame["norm"] == "none") & (frame["seed"] < 8) & (frame["act"] == "relu")
    frame["status"] = np.where(lost, "diverged", "finished")
    frame.loc[(frame["norm"] == "bn") & (frame["act"] == "tanh") & (frame["seed"] == 9), "status"] = "diverged"
    found = effects(frame, ["norm", "act"], "val/acc")
    one = found.divergences[0]
    assert (one.diverged, one.runs, one.baseline_diverged, one.baseline_runs) == (8, 20, 1, 20)
    assert one.discordant == (8, 1)
    assert one.p == pytest.approx(stats.binomtest(8, 9).pvalue)
    assert one.p == pytest.approx(2 * sum(math.comb(9, k) for k in (8, 9)) / 2**9)
    assert one.p_holm == pytest.approx(min(1.0, 2 * min(one.p, found.divergences[1].p)))
    assert "8 of 20 runs diverged against 1 of 20" in one.sentence()
    assert "Diverged: 8 with norm=none and 1 with norm=bn." in found.contrasts[0].sentence()
    assert "9 of 40 runs diverged." in found.notes
    by_flag = frame.drop(columns="status").assign(diverged=frame["status"] == "diverged")
    assert effects(by_flag, ["norm", "act"], "val/acc").divergences == found.divergences


@pytest.mark.parametrize(
    ("gain", "lost", "verdict"),
    [
        (0.05, {"bn": 4}, Verdict.inconclusive),  # the better level lost more
        (0.05, {"none": 4}, Verdict.better),
        (-0.05, {"bn": 4}, Verdict.worse),
        (0.05, {"bn": 2, "none": 2}, Verdict.better),
        (0.0, {"bn": 2}, Verdict.inconclusive),
        (0.0, {"bn": 2, "none": 2}, Verdict.none),
    ],
)
def test_the_runs_that_did_not_diverge_do_not_speak_for_those_that_did(
    gain: float, lost: dict[str, int], verdict: Verdict
) -> None:
    frame = noisy({"norm": ["none", "bn"]}, 12, lambda arm: 0.8 + gain * (arm["norm"] == "bn"), noise=0.002)
    gone = pd.Series([seed < lost.get(norm, 0) for norm, seed in zip(frame["norm"], frame["seed"], strict=True)])
    frame = frame.assign(status=np.where(gone, "diverged", "finished"))
    frame.loc[gone, "val/acc"] = math.nan
    (one,) = effects(frame, ["norm"], "val/acc").contrasts
    assert one.test.verdict is verdict
    assert ", among the runs that did not diverge: " in one.sentence()
    if verdict is Verdict.inconclusive:
        said = f"runs that diverged have no value, {lost['bn']} of 12 with norm=bn and 0 of 12 with norm=none ("
        assert said in one.sentence()
    whole = frame.assign(**{"val/acc": frame["val/acc"].fillna(0.5)})
    assert "among the runs" not in effects(whole, ["norm"], "val/acc").contrasts[0].sentence()


def test_a_factor_is_compared_within_the_arms_that_have_it() -> None:
    rng = np.random.default_rng(0)
    arms = [("bn", 1e-5), ("bn", 1e-3), ("none", None), ("ln", 1e-5), ("ln", 1e-3)]
    rows = [
        {"norm": norm, "norm.eps": eps, "act": act, "seed": seed, "val/acc": rng.normal(0.8, 0.01)}
        for norm, eps in arms
        for act in ("relu", "tanh")
        for seed in range(6)
    ]
    frame = pd.DataFrame(rows)
    found = effects(frame, ["norm", "norm.eps", "act"], "val/acc", baseline={"norm": "none"})
    seen = contrasts_of(found)
    wide = frame.fillna(-1).pivot(index="seed", columns=["norm", "norm.eps", "act"], values="val/acc")
    each = [wide[n, 1e-3, a] - wide[n, 1e-5, a] for n in ("bn", "ln") for a in ("relu", "tanh")]
    eps = pd.concat(each, axis=1).mean(axis=1)
    each = [(wide["bn", 1e-3, a] + wide["bn", 1e-5, a]) / 2 - wide["none", -1, a] for a in ("relu", "tanh")]
    bn = pd.concat(each, axis=1).mean(axis=1)
    assert list(seen["norm.eps=0.001 against norm.eps=1e-05"].test.differences) == pytest.approx(eps.tolist())
    assert list(seen["norm=bn against norm=none"].test.differences) == pytest.approx(bn.tolist())
    told = {share.name: share.share for share in found.shares}
    assert all(told[name] is not None for name in ("norm", "norm.eps", "act", "norm×act", "norm.eps×act"))
    assert told["norm×norm.eps"] is None
    pairs = {one.name for one in found.interactions}
    assert "norm×norm.eps" not in pairs  # no level of norm.eps has a meaning with norm=none
    assert "norm×norm.eps" in found.refused[0].effects


def test_one_factor_at_a_time_compares_with_the_baseline_arm_alone() -> None:
    frame = noisy(NORM_ACT, 6, truth)
    frame = frame[(frame["norm"] == "none") | (frame["act"] == "relu")]
    found = effects(frame, ["norm", "act"], "val/acc")
    wide = frame.pivot(index="seed", columns=["norm", "act"], values="val/acc")
    seen = contrasts_of(found)
    by_hand = wide["bn", "relu"] - wide["none", "relu"]
    assert list(seen["norm=bn against norm=none"].test.differences) == pytest.approx(by_hand.tolist())
    by_hand = wide["none", "sigmoid"] - wide["none", "relu"]
    assert list(seen["act=sigmoid against act=relu"].test.differences) == pytest.approx(by_hand.tolist())
    assert [one.sentence() for one in found.refused] == [
        "Not estimated: norm×act: no seed has the four combinations of two levels of each with everything else equal."
    ]


def half_fraction(seeds: int) -> pd.DataFrame:
    """Return 2^(4-1) of resolution IV, d = abc."""
    levels: dict[str, list[Any]] = {name: [-1, 1] for name in "abcd"}
    whole = noisy(levels, seeds, lambda arm: 0.8 + 0.02 * arm["a"] + 0.01 * arm["d"], noise=0.002)
    return whole[whole["a"] * whole["b"] * whole["c"] == whole["d"]]


def test_a_fraction_is_compared_across_balanced_arms() -> None:
    frame = half_fraction(8)
    found = effects(frame, list("abcd"), "val/acc", inestimable=itertools.combinations("abcd", 2))
    means = frame.groupby(["seed", "a"])["val/acc"].mean().unstack()
    assert list(found.contrasts[0].test.differences) == pytest.approx((means[1] - means[-1]).tolist())
    assert found.contrasts[0].test.verdict is Verdict.better
    assert "A fraction of the grid: the levels are compared across balanced arms." in found.contrasts[0].notes
    assert not found.interactions
    assert len(found.refused) == 1
    assert found.refused[0].sentence() == (
        "Not estimated: a×b, a×c, a×d, b×c and 2 more: aliased: the design cannot tell it from other effects."
    )


def test_what_is_aliased_is_not_shown_even_where_nobody_said_so() -> None:
    found = effects(half_fraction(6), list("abcd"), "val/acc")
    assert not found.interactions  # a×b shares its column with c×d
    assert {share.name for share in found.shares if share.share is not None} == {*"abcd", "seed", "left"}


def test_a_seed_of_a_fraction_with_a_run_missing_is_left_out() -> None:
    frame = half_fraction(6)
    found = effects(frame.drop(frame[frame["seed"] == 2].index[0]), list("abcd"), "val/acc")
    assert {one.test.seeds for one in found.contrasts} == {5}


def test_aliased_main_effects_are_refused() -> None:
    frame = noisy(NORM_ACT, 6, truth)
    found = effects(frame, ["norm", "act"], "val/acc", inestimable=["norm", ("act", "norm")])
    assert {one.factor for one in found.contrasts} == {"act"}
    assert found.refused[0].effects == ("norm", "norm×act")


def test_a_factor_with_one_level_left_is_said() -> None:
    frame = noisy(NORM_ACT, 6, truth)
    found = effects(frame[frame["act"] == "relu"], ["norm", "act"], "val/acc")
    assert {one.factor for one in found.contrasts} == {"norm"}
    assert found.refused[0].sentence() == (
        "Not estimated: act: it has only one level, so that there is nothing to compare."
    )


@pytest.mark.parametrize("levels", [[0.1, 0.01, 1e-5], [["l2", "dropout"], "none", ["l2"]], [True, False], [1, 2, 3]])
def test_any_level_can_be_compared(levels: list[Any]) -> None:
    frame = noisy({"opt.lr": levels, "x y": ["C(a)", "b:c"]}, 5, lambda _: 0.5)
    found = effects(frame, ["opt.lr", "x y"], "val/acc")
    assert len([one for one in found.contrasts if one.factor == "opt.lr"]) == len(levels) - 1
    assert found.contrasts[0].baseline == levels[0]
    assert len(found.shares) == 5


def test_levels_are_named_as_on_the_command_line() -> None:
    frame = noisy({"reg": ["none", ["l2", "dropout"]], "skip": [False, True], "opt.lr": [0.1, 1e-05]}, 5, lambda _: 0.5)
    names = [one.name for one in effects(frame, ["reg", "skip", "opt.lr"], "val/acc").contrasts]
    assert names == [
        "reg=[l2,dropout] against reg=none",
        "skip=true against skip=false",
        "opt.lr=1e-05 against opt.lr=0.1",
    ]


def test_one_seed_shows_no_interval_and_says_how_to_get_one() -> None:
    found = effects(noisy(NORM_ACT, 1, truth), ["norm", "act"], "val/acc")
    one = found.contrasts[0]
    assert (one.test.interval, one.test.verdict) == (None, Verdict.unjudged)
    assert one.sentence().endswith('one seed: no interval and no verdict; add seeds, for example "seed=range(0,10)".')


def test_three_seeds_are_a_smoke_test() -> None:
    one = effects(noisy(NORM_ACT, 3, truth), ["norm", "act"], "val/acc").contrasts[0]
    assert one.test.interval is not None
    assert one.test.verdict is Verdict.unjudged
    assert "3 seeds are a smoke test: no verdict below 5" in one.sentence()


def test_everything_equal_is_said_to_be() -> None:
    frame = grid(NORM_ACT, 10, lambda arm, seed: {"val/acc": 0.9})
    found = effects(frame, ["norm", "act"], "val/acc")
    assert {one.test.verdict for one in found.contrasts} == {Verdict.none}
    assert "no effect: the same in every seed" in found.contrasts[0].sentence()
    assert {share.why for share in found.shares} == {"it had none"}
    same = grid(NORM_ACT, 10, lambda arm, seed: {"val/acc": 0.9 + 0.1 * (arm["norm"] == "bn")})
    one = effects(same, ["norm", "act"], "val/acc").contrasts[0]
    assert "there is no variance, and the interval has no width" in one.sentence()


def test_lower_is_better_for_a_regression() -> None:
    frame = noisy(NORM_ACT, 10, lambda arm: 1.0 - 0.5 * (arm["norm"] == "bn"), column="test/mae")
    one = effects(frame, ["norm", "act"], "test/mae").contrasts[0]
    assert one.test.verdict is Verdict.better
    assert one.sentence().startswith("norm=bn against norm=none: -0.49")
    assert "of test/mae [-0.499, -0.487]" in one.sentence()


def test_a_difference_smaller_than_the_margin_is_said_to_be() -> None:
    frame = noisy({"norm": ["none", "bn"]}, 10, lambda arm: 0.8 + 0.004 * (arm["norm"] == "bn"), noise=0.001)
    one = effects(frame, ["norm"], "val/acc").contrasts[0]
    assert "better, by less than 1 point (10 seeds" in one.sentence()
    wide = effects(frame, ["norm"], "val/acc", margin=0.2).contrasts[0]
    assert "better (10 seeds" in wide.sentence()


def test_an_inconclusive_contrast_says_how_many_seeds_would_decide_it() -> None:
    one = effects(noisy(NORM_ACT, 5, truth), ["norm", "act"], "val/acc").contrasts[0]
    assert one.test.verdict is Verdict.inconclusive
    assert "with 5 seeds sign flips cannot reach 0.05 over 3 contrasts; about " in one.sentence()
    assert f"about {one.test.seeds_needed} seeds would decide it (power 0.8 for " in one.sentence()


def test_a_frame_of_contrasts_has_what_a_table_needs() -> None:
    found = effects(noisy(NORM_ACT, 10, truth), ["norm", "act"], ["val/acc"])
    table = found.frame()
    assert table["level"].tolist() == ["bn", "ln", "sigmoid"]
    assert table["estimate"].tolist() == [one.test.estimate for one in found.contrasts]
    assert set(table["verdict"]) <= {str(one) for one in Verdict}


def test_several_metrics_are_each_a_family() -> None:
    frame = noisy(NORM_ACT, 10, truth)
    frame["area"] = 1 - frame["val/acc"]
    frame["speed"] = 2 ** frame["val/acc"]
    speed = Metric("speed", False, Scale.ratio, 1.5)
    found = effects(frame, ["norm", "act"], ["val/acc", "area", speed], margin={"val/acc": 2})
    assert [one.metric.column for one in found.contrasts] == ["val/acc"] * 3 + ["area"] * 3 + ["speed"] * 3
    assert {one.test.family for one in found.contrasts} == {3}
    assert [one.metric.margin for one in found.contrasts[::3]] == [2, None, 1.5]
    assert found.notes[-1] == (
        "Primary: val/acc; the other metrics are secondary. 6 families of tests, each held to its own level: "
        "some effect may be false."
    )
    assert not [note for note in effects(frame, ["norm", "act"], "area").notes if "Primary" in note]
    assert [one.test.estimate for one in found.contrasts[3:6]] == pytest.approx(
        [-one.test.estimate / 100 for one in found.contrasts[:3]]
    )
    assert [one.test.p for one in found.contrasts[6:]] == pytest.approx([one.test.p for one in found.contrasts[:3]])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"factors": []}, "Name at least one factor"),
        ({"factors": ["norm", "nurm"]}, "no column nurm. It has norm, act, seed, val/acc."),
        ({"factors": ["norm"]}, "Two runs have norm=none and seed=0: name the factor that tells them apart."),
        ({"metrics": "val/best"}, r"give Metric\('val/best', higher_is_better=True\) or False"),
        ({"metrics": "test/acc"}, "no column test/acc"),
        ({"baseline": {"opt": "sgd"}}, "names opt, which is none of the factors norm, act"),
        ({"baseline": {"norm": "rms"}}, "norm=rms is no level of the frame: it has none, bn, ln"),
        ({"by": "opt"}, "by='opt' is none of the factors"),
        ({"pairs": "some"}, "pairs must be 'baseline' or 'all'"),
        ({"confidence": 95}, r"confidence must be in \(0.5, 1\), not 95"),
        ({"margin": -1}, "margin of val/acc must be above 0, not -1"),
        ({"margin": {"val/loss": 1}}, "margin names val/loss"),
        ({"seed": "trial"}, "no column trial"),
        ({"metrics": ["val/acc", "val/acc"], "margin": 1}, "One margin for several metrics"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(change: dict[str, Any], says: str) -> None:
    given: dict[str, Any] = {"factors": ["norm", "act"], "metrics": "val/acc"} | change
    with pytest.raises(ValueError, match=says):
        effects(noisy(NORM_ACT, 2, truth), given.pop("factors"), given.pop("metrics"), **given)


def test_an_empty_frame_and_a_gap_in_the_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="The frame has no runs"):
        effects(pd.DataFrame(columns=["norm", "seed", "val/acc"]), ["norm"], "val/acc")
    frame = noisy(NORM_ACT, 2, truth).astype({"seed": float})
    frame.loc[0, "seed"] = np.nan
    with pytest.raises(ValueError, match="Every run needs a seed"):
        effects(frame, ["norm", "act"], "val/acc")


def test_the_package_imports_scipy_when_it_is_used_and_torch_never() -> None:
    code = (
        "import sys, ablate.analysis; early = {'scipy', 'statsmodels', 'pandas'} & set(sys.modules); "
        "ablate.analysis.effects; sys.exit(str(early or {'torch', 'hydra', 'ablate.record'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.stderr.strip("\n")
    assert callable(ablate.analysis.effects)
    assert set(dir(ablate.analysis)) == set(ablate.analysis.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ablate.analysis.nonsense  # noqa: B018


@pytest.mark.parametrize("name", ablate.analysis.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    assert getattr(ablate.analysis, name).__doc__
