from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from ablate.analysis.evidence import Verdict
from ablate.analysis.inference import holm, paired
from ablate.analysis.measure import Metric, Scale, as_metric
from ablate.analysis.reach import flips_needed

POINTS = Metric("acc", True, Scale.points, margin=1.0)
LOSS = Metric("loss", False)
RATIO = Metric("steps_to_target", False, Scale.ratio, 1.1, pace=True, censored=True)
SLEEP = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]) - np.array(
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
)
"""Student's (1908) sleep data; R: t.test(extra ~ group, paired = TRUE)."""


def brute_force(differences: np.ndarray) -> float:
    """Return the share of all sign flips whose mean is at least as far out on either side, twice the smaller."""
    means = [np.mean(differences * signs) for signs in itertools.product([1, -1], repeat=len(differences))]
    seen, slack = np.mean(differences), 1e-12
    tails = [np.mean([mean >= seen - slack for mean in means]), np.mean([mean <= seen + slack for mean in means])]
    return float(min(1.0, 2 * min(tails)))


def test_students_sleep_data_give_the_values_of_r() -> None:
    (found,) = paired([SLEEP], LOSS)
    assert found.p == pytest.approx(0.00283289, abs=5e-9)
    assert found.interval == pytest.approx((-2.4598858, -0.7001142), abs=5e-8)
    assert found.mean == pytest.approx(-1.58)
    assert found.verdict is Verdict.better


def test_the_interval_is_the_mean_and_t_standard_errors() -> None:
    draws = np.random.default_rng(0).normal(0.02, 0.01, size=8)
    (found,) = paired([draws], POINTS, confidence=0.9)
    half = stats.t.ppf(0.95, 7) * draws.std(ddof=1) / math.sqrt(8)
    assert found.interval == pytest.approx((draws.mean() - half, draws.mean() + half), abs=1e-14)
    assert (found.low, found.estimate, found.high) == pytest.approx(
        (100 * (draws.mean() - half), 100 * draws.mean(), 100 * (draws.mean() + half)), abs=1e-12
    )


@pytest.mark.parametrize("seeds", [2, 5, 6, 10])
def test_sign_flips_agree_with_all_of_them(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    family = [rng.normal(0.5, 1, size=seeds) for _ in range(4)]
    for one, found in zip(family, paired(family, LOSS), strict=True):
        assert found.p_flip == pytest.approx(brute_force(one), abs=1e-12)


def test_sign_flips_cannot_reach_the_level_with_five_seeds_and_can_with_six() -> None:
    assert paired([np.full(5, 1.0) + np.arange(5) / 9], LOSS)[0].p_flip == pytest.approx(2 / 2**5)
    assert [paired([1 + np.arange(n) / 9], LOSS)[0].verdict for n in (5, 6)] == [Verdict.inconclusive, Verdict.worse]
    assert [flips_needed(alpha) for alpha in (0.05, 0.005, 2 / 2**8)] == [6, 9, 8]


def test_drawn_sign_flips_are_close_to_the_normal_limit_and_the_same_each_time() -> None:
    draws = np.random.default_rng(3).normal(0.3, 1, size=40)
    one, again = paired([draws], LOSS)[0], paired([draws], LOSS)[0]
    z = abs(draws.sum()) / math.sqrt((draws**2).sum())
    assert one.p_flip == again.p_flip == pytest.approx(2 * stats.norm.sf(z), abs=0.02)


def test_holm_is_what_statsmodels_and_the_hand_get() -> None:
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    many = np.random.default_rng(0).uniform(size=30) ** 4
    assert holm(many.tolist()) == pytest.approx(multipletests(many, method="holm")[1], abs=1e-15)
    assert holm([0.03, None, 0.02]) == [pytest.approx(0.04), None, pytest.approx(0.04)]
    assert holm([]) == []
    assert holm([None]) == [None]


def test_a_family_is_adjusted_as_a_whole_whatever_the_number_of_seeds() -> None:
    rng = np.random.default_rng(1)
    family = [rng.normal(1, 1, size=n) for n in (10, 6, 10, 3, 1)]
    found = paired(family, LOSS)
    alone = [paired([one], LOSS)[0] for one in family]
    assert [one.p for one in found] == [one.p for one in alone]
    assert [one.p_holm for one in found[:4]] == pytest.approx(
        multipletests([one.p for one in alone[:4]], method="holm")[1]
    )
    assert found[4].p_holm is None
    assert {one.family for one in found} == {4}


def test_equivalence_is_two_one_sided_t_tests_against_the_margin() -> None:
    draws = np.random.default_rng(5).normal(0.001, 0.004, size=10)
    error = draws.std(ddof=1) / math.sqrt(10)
    lower = stats.t.sf((draws.mean() + 0.01) / error, 9)
    upper = stats.t.cdf((draws.mean() - 0.01) / error, 9)
    (found,) = paired([draws], POINTS)
    assert found.p_equivalent == pytest.approx(max(lower, upper), abs=1e-12)
    assert found.verdict is Verdict.none
    assert paired([draws], replace(POINTS, margin=0.1))[0].verdict is Verdict.inconclusive
    assert paired([draws], replace(POINTS, margin=None))[0].p_equivalent is None


def test_the_margin_of_a_ratio_is_a_factor_either_way() -> None:
    rng = np.random.default_rng(6)
    small = rng.normal(0, 0.02, size=10)
    assert paired([small], RATIO)[0].verdict is Verdict.none
    shift = math.log2(1.1) - small.mean()  # a mean at the margin itself: the one-sided test is at one half
    assert paired([small + shift], RATIO)[0].p_equivalent == pytest.approx(0.5)
    assert paired([small + math.log2(1.3)], RATIO)[0].verdict is Verdict.slower
    assert paired([small - math.log2(1.3)], RATIO)[0].verdict is Verdict.faster
    assert paired([small - math.log2(1.3)], RATIO)[0].estimate == pytest.approx(1 / 1.3, rel=0.02)


@pytest.mark.parametrize(
    ("metric", "sign", "verdict"),
    [
        (POINTS, 1, "better"),
        (POINTS, -1, "worse"),
        (LOSS, 1, "worse"),
        (LOSS, -1, "better"),
        (as_metric("area"), -1, "faster"),
        (as_metric("area"), 1, "slower"),
    ],
)
def test_a_verdict_knows_which_way_is_better(metric: Metric, sign: int, verdict: str) -> None:
    draws = np.random.default_rng(7).normal(0.5, 0.05, size=10)
    assert str(paired([sign * draws], metric)[0].verdict) == verdict


@pytest.mark.parametrize("seeds", [1, 2, 3, 4])
def test_fewer_than_five_seeds_give_no_verdict(seeds: int) -> None:
    (found,) = paired([5 + np.arange(float(seeds)) / 100], LOSS)
    assert found.verdict is Verdict.unjudged
    assert (found.interval is None) == (seeds == 1)
    assert (found.p is None) == (seeds == 1)


def test_no_variance_is_not_mistaken_for_certainty() -> None:
    nothing, same = paired([np.zeros(10), np.full(10, 0.3)], POINTS)
    assert (nothing.p, nothing.p_flip, nothing.verdict, nothing.constant) == (1.0, 1.0, Verdict.none, True)
    assert same.interval == pytest.approx((0.3, 0.3))
    assert same.p_flip == pytest.approx(2 / 2**10)  # the sign flips decide: t has nothing to divide by
    assert (same.p, same.verdict) == (0.0, Verdict.better)
    assert paired([np.full(5, 0.3)], POINTS)[0].verdict is Verdict.inconclusive


def test_what_was_cut_off_is_not_called_the_same() -> None:
    zeros = [np.zeros(10), np.zeros(10)]
    assert [one.verdict for one in paired(zeros, RATIO, cut=[True, False])] == [Verdict.inconclusive, Verdict.none]


@pytest.mark.parametrize(("dz", "single", "ten"), [(1.5, 6, 10), (1, 10, 18), (0.5, 34, 58)])
def test_seeds_needed_are_those_of_the_power_of_the_t_test(dz: float, single: int, ten: int) -> None:
    """Without a margin: for the difference observed."""
    spread = np.array([-1, 1, -1, 1, -1.0])
    draws = spread - spread.mean()
    draws = draws / draws.std(ddof=1) + dz
    assert paired([draws], LOSS)[0].seeds_needed == max(single, 6)
    assert paired([draws] * 10, LOSS)[0].seeds_needed == ten
    exact = TTestPower().solve_power(effect_size=dz, alpha=0.05, power=0.8)
    assert single == math.ceil(exact)


def test_seeds_needed_find_the_margin_or_show_that_there_is_less() -> None:
    draws = np.random.default_rng(2).normal(0, 0.02, size=10)
    (found,) = paired([draws], POINTS)
    dz = 0.01 / draws.std(ddof=1)
    find = TTestPower().solve_power(effect_size=dz, alpha=0.05, power=0.8)
    show = TTestPower().solve_power(effect_size=dz, alpha=0.05, power=0.9, alternative="larger")
    assert found.verdict is Verdict.inconclusive
    assert found.seeds_needed == math.ceil(max(find, show))
    assert found.needed_for == pytest.approx(0.01)


def test_a_large_difference_with_few_seeds_needs_few_more() -> None:
    (found,) = paired([np.array([0.20, 0.22, 0.18, 0.21, 0.19])], POINTS)
    assert (found.verdict, found.seeds_needed) == (Verdict.inconclusive, 6)
    assert found.interval is not None
    assert found.needed_for == pytest.approx(found.interval[0])


def test_seeds_needed_have_an_end() -> None:
    draws = np.random.default_rng(2).normal(0, 2.0, size=10)
    (found,) = paired([draws], POINTS)
    assert (found.verdict, found.seeds_needed) == (Verdict.inconclusive, None)
