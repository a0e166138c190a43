"""What the statistics promise, by simulation: false alarms, coverage, power. Seeded, so that it is the same each time.

Noise as runs have it: an effect of the seed common to all arms, noise of each run, accuracies counted on 360 examples,
steps on a grid of validations and cut off at the budget, losses with a long tail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablate.analysis import Effects, Metric, Scale, Verdict, effects
from ablate.analysis.measure import STEPS

CUBE = [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]
Draw = Callable[[np.random.Generator, int, int], np.ndarray]


def accuracy(rng: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    hard = rng.normal(0, 0.15, size=seeds)
    logit = 2.2 + hard + rng.normal(0, 0.15, size=(arms, seeds))
    return rng.binomial(360, 1 / (1 + np.exp(-logit))) / 360


def steps(rng: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    raw = 150 * 2 ** (rng.normal(0, 0.3, size=seeds) + rng.normal(0, 0.3, size=(arms, seeds)))
    measured = np.ceil(raw / 17) * 17
    return np.where(measured <= 340, measured, np.nan)


def loss(rng: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    return np.exp(rng.normal(-1, 0.2, size=seeds) + 0.1 * rng.standard_t(5, size=(arms, seeds)))


METRICS: dict[str, tuple[Draw, Metric]] = {
    "accuracy": (accuracy, Metric("accuracy", True, Scale.points, 1.0)),
    "steps": (steps, STEPS),
    "loss": (loss, Metric("loss", False)),
}


def campaign(kind: str, arms: Sequence[tuple[int, ...]], seeds: int, repeats: int, state: int) -> Effects:
    """Return the effects of as many independent experiments, each a metric of one frame and so a family of its own."""
    rng = np.random.default_rng(state)
    draw, metric = METRICS[kind]
    names = "abc"[: len(arms[0])]
    frame = pd.DataFrame([dict(zip(names, arm, strict=True)) | {"seed": seed} for arm in arms for seed in range(seeds)])
    drawn = {f"m{at}": draw(rng, len(arms), seeds).ravel() for at in range(repeats)}
    frame = pd.concat([frame, pd.DataFrame(drawn)], axis=1)
    each = [
        Metric(name, metric.higher_is_better, metric.scale, metric.margin, pace=metric.pace, censored=metric.censored)
        for name in drawn
    ]
    return effects(frame, list(names), each, budget=340)


def within(rate: float, hits: int, trials: int) -> bool:
    """Return whether a count is what chance makes of a rate: not in the outer 0.05 % of the binomial."""
    return bool(stats.binom.ppf(0.0005, trials, rate) <= hits <= stats.binom.ppf(0.9995, trials, rate))


@pytest.mark.parametrize("seeds", [5, 10])
def test_the_same_against_the_same_is_called_an_effect_in_at_most_six_per_cent(seeds: int) -> None:
    """Each a family of one: nothing is adjusted, so that this is the most there can be."""
    repeats = 250 if seeds > 5 else 70
    found = [campaign(kind, [(0,), (1,)], seeds, repeats, state=seeds) for kind in METRICS]
    verdicts = [one.test.verdict for each in found for one in each.contrasts]
    false = sum(verdict.effect for verdict in verdicts)
    assert len(verdicts) == 3 * repeats
    assert false <= 0.06 * len(verdicts)
    assert false == 0 or seeds > 5  # sign flips cannot reach .05 with five


def test_a_family_of_contrasts_has_a_false_alarm_in_at_most_six_per_cent_of_experiments() -> None:
    found = campaign("accuracy", CUBE, 10, 120, state=1)
    tests = [one.test for one in found.contrasts] + [one.test for one in found.interactions]
    families = np.array([test.verdict.effect for test in tests]).reshape(240, 3)  # three contrasts, three interactions
    assert families.any(axis=1).sum() <= 0.06 * 240


@pytest.mark.parametrize(("kind", "seeds"), [("accuracy", 5), ("loss", 10)])
def test_intervals_hold_the_truth_in_ninety_five_per_cent(kind: str, seeds: int) -> None:
    """The truth is none, by construction; contrasts and contrasts of contrasts of a 2³ are uncorrelated."""
    found = campaign(kind, CUBE, seeds, 340, state=10 + seeds)
    tests = [one.test for one in found.contrasts] + [one.test for one in found.interactions]
    intervals = [test.interval for test in tests]
    hits = sum(interval is not None and interval[0] <= 0 <= interval[1] for interval in intervals)
    assert len(intervals) == 2040
    assert 0.93 <= hits / len(intervals) <= 0.97
    assert within(0.95, hits, len(intervals))


def shifted(size: float, seeds: int, repeats: int, state: int, margin: float | None = None) -> list[Verdict]:
    """Return verdicts where the level adds ``size`` standard deviations of the per-seed differences."""
    rng = np.random.default_rng(state)
    frame = pd.DataFrame({"norm": np.repeat(["none", "bn"], seeds), "seed": np.tile(np.arange(seeds), 2)})
    common = rng.normal(0, 2, size=(repeats, seeds))
    differences = rng.normal(size, 1, size=(repeats, seeds))
    drawn = {f"m{at}": np.append(common[at], common[at] + differences[at]) for at in range(repeats)}
    frame = pd.concat([frame, pd.DataFrame(drawn)], axis=1)
    found = effects(frame, ["norm"], [Metric(name, True, margin=margin) for name in drawn])
    return [one.test.verdict for one in found.contrasts]


def test_an_effect_of_one_standard_deviation_is_usually_found_with_ten_seeds() -> None:
    """The t test has a power of 0.80 there (TTestPower); that the sign flips must agree costs next to nothing."""
    found = shifted(1.0, 10, 300, state=0)
    assert sum(verdict is Verdict.better for verdict in found) / 300 == pytest.approx(0.8, abs=0.07)
    assert Verdict.worse not in found


def test_a_difference_as_large_as_the_margin_is_called_none_in_at_most_five_per_cent() -> None:
    found = shifted(1.0, 10, 200, state=1, margin=1.0)
    assert sum(verdict is Verdict.none for verdict in found) <= stats.binom.ppf(0.9995, 200, 0.05)


def test_no_difference_is_usually_called_none_where_the_margin_allows_it() -> None:
    found = shifted(0.0, 10, 200, state=2, margin=1.0)
    assert sum(verdict is Verdict.none for verdict in found) > 0.6 * 200
    assert sum(verdict.effect for verdict in found) <= stats.binom.ppf(0.9995, 200, 0.05)


def collapsing(seeds: int, repeats: int, state: int) -> list[Verdict]:
    """Return verdicts where one run in ten of one level loses ten points: one point on average, the margin."""
    rng = np.random.default_rng(state)
    frame = pd.DataFrame({"norm": np.repeat(["none", "bn"], seeds), "seed": np.tile(np.arange(seeds), 2)})
    noise = rng.normal(0.9, 0.002, size=(repeats, 2 * seeds))
    noise[:, seeds:] -= 0.1 * (rng.random((repeats, seeds)) < 0.1)
    frame = pd.concat([frame, pd.DataFrame({f"m{at}": one for at, one in enumerate(noise)})], axis=1)
    each = [Metric(f"m{at}", True, Scale.points, 1.0) for at in range(repeats)]
    return [one.test.verdict for one in effects(frame, ["norm"], each).contrasts]


def test_rare_collapses_pass_for_no_effect_only_where_no_seed_saw_one() -> None:
    """Nobody sees what did not happen: with ten seeds in 0.9^10 = 35 % of experiments; five give no verdict."""
    unseen = sum(verdict is Verdict.none for verdict in collapsing(10, 300, state=3))
    assert within(0.9**10, unseen, 300)
    assert Verdict.none not in collapsing(5, 50, state=4)
