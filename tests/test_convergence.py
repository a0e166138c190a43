from __future__ import annotations

import numpy as np
import pytest

from ablate.analysis.convergence import area, best, convergence, steps_to_target

STEPS = np.array([10.0, 20.0, 40.0])
ACC = np.array([0.5, 0.9, 0.8])
LOSS = np.array([2.0, 1.0, 0.5])


@pytest.mark.parametrize(
    ("target", "higher", "expected"), [(0.5, True, 10), (0.85, True, 20), (0.95, True, None), (0.8, False, 10)]
)
def test_steps_to_target_is_the_first_measured_step(target: float, higher: bool, expected: float | None) -> None:
    assert steps_to_target(STEPS, ACC, target, higher) == expected


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
