from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablate.analysis import Effects, Interaction, Metric, Scale, Verdict, effects
from tests.frames import Levels, grid, noisy

LEVELS: dict[str, list[Any]] = {"norm": ["none", "bn"], "act": ["relu", "sigmoid"], "opt.lr": [0.1, 0.01, 0.001]}


def only(relu: float, sigmoid: float, column: str = "val/acc", state: int = 0) -> Interaction:
    """Return norm×act where bn adds ``relu`` with relu and ``sigmoid`` with sigmoid."""

    def truth(arm: Levels) -> float:
        gain = relu if arm["act"] == "relu" else sigmoid
        return 0.5 + gain if arm["norm"] == "bn" else 0.5

    levels = {name: LEVELS[name] for name in ("norm", "act")}
    frame = noisy(levels, 10, truth, state, noise=0.004, column=column)
    return effects(frame, ["norm", "act"], column).interactions[0]


def test_an_interaction_is_the_contrast_of_contrasts_within_each_seed() -> None:
    frame = noisy(LEVELS, 6, lambda arm: 0.5 + 0.02 * (arm["norm"] == "bn") * arm["opt.lr"])
    found = effects(frame, ["norm", "act", "opt.lr"], "val/acc")
    run = frame.set_index(["norm", "act", "opt.lr", "seed"])["val/acc"]
    seen = {(one.name, one.level, one.other_level): one for one in found.interactions}
    assert len(seen) == len(found.interactions) == 1 + 2 + 2
    for lr in (0.01, 0.001):
        by_hand = []
        for seed in range(6):
            total = 0.0
            for act in ("relu", "sigmoid"):
                here = run["bn", act, lr, seed] - run["none", act, lr, seed]
                there = run["bn", act, 0.1, seed] - run["none", act, 0.1, seed]
                total += (here - there) / 2
            by_hand.append(total)
        one = seen["norm×opt.lr", "bn", lr]
        assert list(one.test.differences) == pytest.approx(by_hand, abs=1e-14)
        assert one.test.p == pytest.approx(stats.ttest_1samp(by_hand, 0).pvalue)
        assert one.test.mean == pytest.approx(one.at_level.mean - one.at_baseline.mean, abs=1e-14)
        assert (one.quads, one.quads_planned, one.test.family) == (12, 12, 5)


def test_all_pairs_of_levels_can_be_crossed() -> None:
    frame = noisy(LEVELS, 5, lambda _: 0.5)
    found = effects(frame, ["norm", "act", "opt.lr"], "val/acc", pairs="all")
    assert [one.name for one in found.interactions].count("norm×opt.lr") == 3


@pytest.mark.parametrize(
    ("relu", "sigmoid", "reading"),
    [
        (0.01, 0.10, "bn helps sigmoid more than relu"),
        (0.10, 0.01, "bn helps relu more than sigmoid"),
        (-0.05, 0.05, "bn helps sigmoid but harms relu"),
        (-0.10, -0.01, "bn harms relu more than sigmoid"),
        (-0.10, 0.0, "bn harms relu; that it harms sigmoid is not shown"),
        (0.0, 0.10, "bn helps sigmoid; that it helps relu is not shown"),
    ],
)
def test_a_reading_has_the_right_direction(relu: float, sigmoid: float, reading: str) -> None:
    assert only(relu, sigmoid).reading() == reading
    assert only(-relu, -sigmoid, "val/loss").reading() == reading  # lower is better
    faster = reading.replace("helps", "speeds up").replace("harms", "slows down")
    assert only(-relu, -sigmoid, "area").reading() == faster


def test_a_reading_does_not_say_more_than_was_found() -> None:
    same = only(0.05, 0.05)
    assert same.test.verdict is Verdict.none
    assert (
        same.reading()
        == "the effect of norm=bn against norm=none differs by less than 1 point between sigmoid and relu"
    )
    assert "no interaction beyond 1 point" in same.sentence()
    some = only(0.05, 0.055, state=4)
    assert some.test.verdict is Verdict.inconclusive
    assert some.reading() == "whether the effect of norm=bn against norm=none differs between sigmoid and relu is open"


def test_levels_that_do_not_speak_for_themselves_are_named_with_their_factor() -> None:
    frame = noisy(
        {"norm": ["bn", "none"], "opt.lr": [0.1, 0.01]},
        10,
        lambda arm: 0.5 - 0.1 * (arm["norm"] == "none") * (arm["opt.lr"] == 0.1),
    )
    (one,) = effects(frame, ["norm", "opt.lr"], "val/acc").interactions
    assert one.reading() == "norm=none harms opt.lr=0.1; that it harms opt.lr=0.01 is not shown"


def test_a_ratio_of_ratios() -> None:
    rng = np.random.default_rng(0)

    def time(arm: Levels, seed: int) -> Levels:
        factor = {("bn", "sigmoid"): 0.25, ("bn", "relu"): 0.5}.get((arm["norm"], arm["act"]), 1.0)
        return {"speed": 100 * factor * 2 ** rng.normal(0, 0.05)}

    frame = grid({name: LEVELS[name] for name in ("norm", "act")}, 10, time)
    (one,) = effects(frame, ["norm", "act"], Metric("speed", False, Scale.ratio, 1.1, pace=True)).interactions
    assert one.test.estimate == pytest.approx(0.5, rel=0.05)
    assert (one.at_level.estimate, one.at_baseline.estimate) == pytest.approx((0.25, 0.5), rel=0.05)
    assert one.sentence().startswith("norm×act: bn speeds up sigmoid by a larger share than relu: 0.2")
    assert "a factor of 0.5" in one.sentence()


def test_sets_of_four_with_a_run_missing_are_left_out() -> None:
    frame = noisy(LEVELS, 6, lambda _: 0.5)
    frame = frame.drop(frame[(frame["norm"] == "bn") & (frame["opt.lr"] == 0.01) & (frame["seed"] == 3)].index[0])
    one = next(one for one in effects(frame, list(LEVELS), "val/acc").interactions if one.other_level == 0.01)
    assert (one.quads, one.quads_planned) == (10, 12)
    assert "5 of 6 seeds are complete; the others are left out." in one.sentence()


def shares_by_sums(frame: pd.DataFrame, factors: list[str]) -> dict[str, float]:
    """Return eta squared in a balanced grid, from means: n Σ (mean − …)²."""
    y = frame["val/acc"]
    deviation = {}
    for factor in [*factors, "seed"]:
        deviation[factor] = frame.groupby(factor)["val/acc"].transform("mean") - y.mean()
    for one, other in itertools.combinations(factors, 2):
        cell = frame.groupby([one, other])["val/acc"].transform("mean") - y.mean()
        deviation[f"{one}×{other}"] = cell - deviation[one] - deviation[other]
    left = y - y.mean() - sum(deviation.values())
    return {
        name: float((part**2).sum() / ((y - y.mean()) ** 2).sum())
        for name, part in (deviation | {"left": left}).items()
    }


def planted(arm: Levels) -> float:
    bn, relu = float(arm["norm"] == "bn"), float(arm["act"] == "relu")
    return 0.5 + 0.03 * bn + 0.05 * bn * relu - float(arm["opt.lr"])


def test_shares_of_variance_are_sums_of_squares_in_a_balanced_grid() -> None:
    frame = noisy(LEVELS, 5, planted)
    found = {share.name: share.share for share in effects(frame, list(LEVELS), "val/acc").shares}
    assert found == pytest.approx(shares_by_sums(frame, list(LEVELS)), abs=1e-12)
    assert sum(share for share in found.values() if share is not None) == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("lost", [0, 7])
def test_shares_of_variance_are_those_of_anova_lm_also_where_runs_are_missing(lost: int) -> None:
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    frame = noisy(LEVELS, 5, planted).sample(frac=1, random_state=0).iloc[lost:].reset_index(drop=True)
    plain = frame.rename(columns={"norm": "a", "act": "b", "opt.lr": "c", "val/acc": "y"})
    table = anova_lm(ols("y ~ (C(a, Sum) + C(b, Sum) + C(c, Sum))**2 + C(seed)", plain).fit(), typ=2)
    total = ((plain["y"] - plain["y"].mean()) ** 2).sum()
    names = {"norm": "C(a, Sum)", "act": "C(b, Sum)", "opt.lr": "C(c, Sum)", "seed": "C(seed)", "left": "Residual"}
    found = {share.name: share.share for share in effects(frame, list(LEVELS), "val/acc").shares}
    for one, other in itertools.combinations(LEVELS, 2):
        names[f"{one}×{other}"] = f"{names[one]}:{names[other]}"
    assert found == pytest.approx({name: table["sum_sq"][row] / total for name, row in names.items()}, abs=1e-9)


def test_a_share_is_told_where_nothing_but_one_effect_varies() -> None:
    frame = grid(LEVELS, 3, lambda arm, seed: {"val/acc": 0.5 + 0.1 * (arm["norm"] == "bn")})
    found = {share.name: share.share for share in effects(frame, list(LEVELS), "val/acc").shares}
    assert found["norm"] == pytest.approx(1.0)
    assert sum(share or 0.0 for share in found.values()) == pytest.approx(1.0)


def test_without_runs_to_spare_noise_is_not_told_from_effects() -> None:
    levels = {name: LEVELS[name] for name in ("norm", "act")}
    found = effects(noisy(levels, 1, lambda _: 0.5), ["norm", "act"], "val/acc").shares
    assert {share.share for share in found} == {None}
    assert "no more runs than effects" in found[0].sentence()


def test_a_share_reads_as_a_sentence() -> None:
    found = effects(noisy(LEVELS, 5, planted), list(LEVELS), "val/acc").shares
    assert found[0].sentence().endswith(" % of the variance of val/acc.")
    assert found[-1].name == "left"


def crossing(relu: float, sigmoid: float) -> Effects:
    """Return the effects where bn adds ``relu`` with relu and ``sigmoid`` with sigmoid."""
    levels = {name: LEVELS[name] for name in ("norm", "act")}

    def truth(arm: Levels) -> float:
        gain = relu if arm["act"] == "relu" else sigmoid
        return 0.5 + gain if arm["norm"] == "bn" else 0.5

    return effects(noisy(levels, 10, truth, noise=0.004), ["norm", "act"], "val/acc")


def test_effects_that_cancel_are_not_called_none() -> None:
    one = crossing(0.04, -0.04).contrasts[0]
    assert one.test.equivalent
    assert (one.test.verdict, one.test.seeds_needed) == (Verdict.inconclusive, None)
    assert ", averaged over act: inconclusive: opposite effects cancel: see norm×act (10 seeds" in one.sentence()


def test_an_effect_that_depends_on_another_factor_says_on_which() -> None:
    one = crossing(0.04, 0.10).contrasts[0]
    assert one.test.verdict is Verdict.better
    assert one.sentence().endswith("It depends on act: see norm×act.")
    alike = crossing(0.04, 0.04).contrasts[0]
    assert "depends" not in alike.sentence()
    assert ", averaged over act: better" in alike.sentence()


def test_a_share_of_nothing_is_not_below_none() -> None:
    frame = grid(LEVELS, 3, lambda arm, seed: {"val/acc": 0.5 + 0.1 * (arm["norm"] == "bn") + 0.01 * seed})
    found = effects(frame, list(LEVELS), "val/acc").shares
    assert all(share.share is not None and share.share >= 0 for share in found)
    assert not [share for share in found if "-0.0" in share.sentence()]
