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
from ablate.analysis.inference import flips, holm, paired, resamples
from ablate.analysis.measure import Metric, Scale, as_metric
from ablate.analysis.reach import flips_needed
from ablate.analysis.wording import enough, verdict

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


def test_sign_flips_have_to_show_the_equivalence_too() -> None:
    draws = np.random.default_rng(5).normal(0.001, 0.004, size=10)
    signs = np.array(list(itertools.product([1, -1], repeat=10)))
    more = np.mean((signs * (draws + 0.01)).mean(axis=1) >= (draws + 0.01).mean() - 1e-15)
    less = np.mean((signs * (draws - 0.01)).mean(axis=1) <= (draws - 0.01).mean() + 1e-15)
    (found,) = paired([draws], POINTS)
    assert found.p_equivalent_flip == pytest.approx(max(more, less), abs=1e-12)
    assert paired([draws], replace(POINTS, margin=None))[0].p_equivalent_flip is None
    both = paired([draws, np.full(10, 0.3)], POINTS)
    assert both[0].p_equivalent_flip_holm == pytest.approx(2 * max(more, less))
    assert not replace(found, p_equivalent_flip_holm=0.06).equivalent


def test_what_has_too_few_seeds_for_an_effect_has_too_few_for_none() -> None:
    half = np.array([0.0042, 0.0050, 0.0058, 0.0047, 0.0053])
    (found,) = paired([half], POINTS)
    assert (found.p, found.p_equivalent) < (0.01, 0.01)
    assert (found.verdict, found.seeds_needed) == (Verdict.inconclusive, 6)
    tiny = np.append(half, 0.005) / 10 * np.array([1, -1, 1, -1, 1, -1])
    assert paired([tiny], POINTS)[0].verdict is Verdict.none
    assert paired([tiny, tiny], POINTS)[0].verdict is Verdict.inconclusive  # two have 2/64 twice at the least
    assert paired([np.zeros(5)], POINTS)[0].verdict is Verdict.inconclusive


@pytest.mark.parametrize("seeds", [9, 20])
def test_sign_flips_are_those_of_scipy(seeds: int) -> None:
    draws = np.random.default_rng(seeds).normal(0.4, 1, size=(3, seeds)).round(1)
    more, less = flips(draws, 40_000)
    for at, (tail, p) in enumerate(itertools.product(("greater", "less"), range(3))):
        reference = stats.permutation_test(
            (draws[p],), np.mean, permutation_type="samples", alternative=tail, n_resamples=40_000, rng=at
        )
        tolerance = 1e-12 if seeds <= 13 else 0.012
        assert (more, less)[tail == "less"][p] == pytest.approx(reference.pvalue, abs=tolerance)


def test_a_large_family_draws_as_many_sign_flips_as_its_level_takes() -> None:
    assert (resamples(1, 0.05), resamples(125, 0.05), resamples(300, 0.05)) == (9999, 9999, 23_999)
    rng = np.random.default_rng(0)
    found = paired([rng.normal(5, 1, size=16) for _ in range(300)], LOSS)
    assert {one.verdict for one in found} == {Verdict.worse}


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        (POINTS, "within 1 point"),
        (RATIO, "within 10 %"),
        (replace(LOSS, margin=0.02), "within 0.02"),
        (LOSS, "the same"),
    ],
)
def test_the_label_of_an_equivalence_has_the_margin(metric: Metric, label: str) -> None:
    (found,) = paired([np.zeros(10)], metric)
    assert (found.verdict, verdict(found)) == (Verdict.none, label)


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
    """For a difference whose whole interval is beyond the margin: for its end nearer to none."""
    spread = np.array([-1, 1, -1, 1, -1.0])
    draws = spread - spread.mean()
    half = stats.t.ppf(0.975, 4) / math.sqrt(5)
    draws = draws / draws.std(ddof=1) + dz + half
    small = replace(LOSS, margin=1e-3)
    assert paired([draws], small)[0].seeds_needed == max(single, 6)
    assert paired([draws] * 10, small)[0].seeds_needed == ten
    exact = TTestPower().solve_power(effect_size=dz, alpha=0.05, power=0.8)
    assert single == math.ceil(exact)


def test_no_number_of_seeds_is_given_where_none_decides() -> None:
    draws = np.array([0.5, -0.3, 0.2, -0.4, 0.3, 0.1])
    (loss,) = paired([draws], LOSS)
    (cut,) = paired([draws], RATIO, cut=[True])
    (whole,) = paired([draws], RATIO, cut=[False])
    assert (loss.verdict, loss.seeds_needed, cut.verdict, cut.seeds_needed) == (Verdict.inconclusive, None) * 2
    assert enough(loss) == "without a margin no number of seeds would show that there is none"
    assert enough(cut) == "some runs end at the budget, so a larger one or an easier target would tell more"
    assert enough(whole) == f"about {whole.seeds_needed} seeds would decide it (power 0.8 for a factor of 1.1)"
    assert paired([np.zeros(5)], LOSS)[0].seeds_needed is None


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
