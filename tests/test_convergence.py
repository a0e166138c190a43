from __future__ import annotations

import numpy as np
import pytest

from ablate.analysis.convergence import area, best, convergence, diverged, gap, oscillation, steps_to_target

STEPS = np.array([10.0, 20.0, 40.0])
ACC = np.array([0.5, 0.9, 0.8])
LOSS = np.array([2.0, 1.0, 0.5])


@pytest.mark.parametrize(
    ("target", "higher", "expected"), [(0.5, True, 10), (0.85, True, 20), (0.95, True, None), (0.8, False, 10)]
)
def test_steps_to_target_is_the_first_measured_step(target: float, higher: bool, expected: float | None) -> None:
    assert steps_to_target(STEPS, ACC, target, higher) == expected


@pytest.mark.parametrize(("target", "before"), [(0.4, 0), (0.85, 10), (0.95, None)])
def test_a_time_is_known_to_lie_behind_the_point_before(target: float, before: float | None) -> None:
    assert convergence(STEPS, ACC, LOSS, higher_is_better=True, target=target).steps_before == before


def test_non_finite_values_do_not_reach_a_target() -> None:
    assert steps_to_target(STEPS, np.array([np.nan, np.nan, 0.9]), 0.5, True) == 40
    assert steps_to_target(STEPS, np.full(3, np.nan), 0.5, False) is None


def test_best_is_the_first_best_in_the_right_direction() -> None:
    assert best(STEPS, ACC, True) == (0.9, 20)
    assert best(STEPS, LOSS, False) == (0.5, 40)
    assert best(STEPS, np.array([np.nan, 0.3, 0.3]), True) == (0.3, 20)
    assert best(STEPS, np.full(3, np.nan), True) is None


def test_area_is_the_mean_loss_over_the_budget() -> None:
    # each value stands for the steps since the point before it: 10, 10 and 20 of 40
    assert area(STEPS, LOSS) == pytest.approx((10 * 2.0 + 10 * 1.0 + 20 * 0.5) / 40)
    assert area(STEPS, np.array([1.0, np.inf, 1.0])) is None
    assert area(np.array([]), np.array([])) is None


def test_summary_of_a_run() -> None:
    found = convergence(STEPS, ACC, LOSS, higher_is_better=True, target=0.9)
    assert (found.steps_to_target, found.best, found.best_step, found.final) == (20, 0.9, 20, 0.8)
    assert found.steps == 40
    diverged = convergence(STEPS, np.array([0.5, 0.4, np.nan]), LOSS * np.nan, higher_is_better=True)
    assert (diverged.best, diverged.final, diverged.area, diverged.steps_to_target) == (0.5, None, None, None)


def test_area_counts_no_loss_above_chance_and_fills_up_after_divergence() -> None:
    level = np.log(2)
    assert area(STEPS, LOSS, chance=level) == pytest.approx((20 * level + 20 * 0.5) / 40)
    broken = np.array([0.5, np.inf, 0.1])  # what comes back after it was not finite does not count
    assert area(STEPS, broken, chance=level) == pytest.approx((10 * 0.5 + 30 * level) / 40)
    cut = np.array([0.5, np.nan])  # the run ended at step 20 of 40
    assert area(STEPS[:2], cut, chance=level, budget=40) == pytest.approx((10 * 0.5 + 30 * level) / 40)
    assert area(STEPS[:2], LOSS[:2], budget=40) == pytest.approx((10 * 2.0 + 30 * 1.0) / 40)  # stopped, not diverged
    assert area(STEPS, LOSS, budget=20) == pytest.approx((10 * 2.0 + 10 * 1.0) / 20)


def test_a_run_diverges_by_what_is_not_finite_or_far_above_chance() -> None:
    assert diverged(np.array([1.0, np.nan]))
    assert diverged(np.array([1.0, 50.0, 11.0]), chance=1.0)
    assert not diverged(np.array([1.0, 50.0, 9.0]), chance=1.0)
    assert diverged(np.array([2.0, 21.0]))
    assert not diverged(np.array([2.0, 19.0]))
    assert not diverged(np.array([]))


def test_oscillation_is_what_a_straight_line_leaves_over_of_the_last_quarter() -> None:
    steps = np.arange(1.0, 41)
    rising = 0.01 * steps
    assert oscillation(steps, rising) == pytest.approx(0.0, abs=1e-12)
    late = np.arange(31.0, 41)
    wobble = np.where(steps > 30, 0.05 * (-1) ** steps, 0.0)
    values = rising + wobble
    slope, start = np.polyfit(late, values[30:], 1)
    left = values[30:] - slope * late - start
    assert oscillation(steps, values) == pytest.approx(np.sqrt((left**2).sum() / 8))
    assert oscillation(steps[:12], values[:12]) is None
    assert oscillation(steps, np.where(steps == 40, np.nan, values)) is None


def test_oscillation_of_noise_is_its_standard_deviation() -> None:
    steps = np.arange(1.0, 4001)
    noise = np.random.default_rng(0).normal(0, 0.02, size=4000)
    assert oscillation(steps, 1e-4 * steps + noise) == pytest.approx(0.02, rel=0.07)


def test_the_gap_is_positive_where_the_test_is_worse() -> None:
    train = np.array([1.0, 0.25, np.nan])
    assert gap(STEPS, train, STEPS[1], 0.75) == 0.5
    assert gap(STEPS, train, STEPS[0], 0.75) == -0.25
    assert gap(STEPS, train, STEPS[2], 0.75) is None
    assert gap(STEPS, train, STEPS[1], float("nan")) is None
    assert gap(STEPS, train, 1e9, 0.75) is None


def test_a_summary_says_whether_the_target_was_reached_within_which_budget() -> None:
    found = convergence(
        STEPS,
        ACC,
        LOSS,
        higher_is_better=True,
        target=0.95,
        budget=80,
        train_loss=np.array([1.0, 0.25, 0.125]),
        test_loss=0.75,
        step_seconds=np.array([np.nan, 0.1, 0.3]),
    )
    assert (found.steps_to_target, found.reached, found.budget, found.steps) == (None, False, 80, 40)
    assert found.gap == 0.75 - 0.25  # at the best step
    assert found.seconds_per_step == pytest.approx(0.2)
    assert found.diverged is False
    assert convergence(STEPS, ACC, LOSS, higher_is_better=True, target=0.9).reached is True
    assert convergence(STEPS, ACC, LOSS, higher_is_better=True).reached is None
