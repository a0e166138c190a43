"""The target of "steps to target": which rule gives it, and in which words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ablate.analysis.target import Rule, learned, target
from ablate.designs.calibration import Calibrated

ARMS: dict[str, list[float | None]] = {"norm=bn": [0.9, 0.95, 0.8], "norm=none": [0.6, 0.9, None, 0.5]}


def calibrated(*best: float | None, learned: int = 9) -> Calibrated:
    """Return calibration runs, of which so many have learned."""
    return Calibrated("norm=none", list(range(len(best))), list(best), [n < learned for n in range(len(best))])


def test_a_number_given_is_the_target() -> None:
    found = target(0.9, calibrated=calibrated(0.5, 0.5), arms=ARMS)
    assert (found.value, found.why, found.rule, found.margin) == (0.9, "as given", Rule.given, None)
    assert found.sentence("val/acc", True) == "Target: val/acc ≥ 0.9 (as given)."


def test_calibration_runs_give_the_median_best_less_a_margin() -> None:
    found = target(calibrated=calibrated(0.8, 0.9, 0.7, 0.5), arms=ARMS)
    assert found.value == pytest.approx(0.75 - 0.01, abs=1e-15)
    assert (found.rule, found.margin) == (Rule.calibration, 0.01)
    assert found.why == "the baseline's, norm=none, median best of 4 calibration runs, less 0.01"


def test_a_metric_that_is_best_at_zero_has_a_margin_of_its_own_size() -> None:
    lower = target(calibrated=calibrated(0.002, 0.003, 0.001), higher_is_better=False)
    assert lower.value == pytest.approx(0.0022, abs=1e-15)
    assert lower.margin == pytest.approx(0.0002, abs=1e-15)
    assert lower.sentence("val/mmd", False).startswith("Target: val/mmd ≤ 0.0022 (")
    assert lower.why.endswith("plus 10 %")
    assert learned(np.array([0.02, 0.015]), np.array([1.0, 0.5]), higher_is_better=False)
    assert not learned(np.array([0.02, 0.0185]), np.array([1.0, 0.5]), higher_is_better=False)


def test_the_compared_arms_have_no_part_in_a_calibrated_target() -> None:
    runs = calibrated(0.8, 0.9, 0.7)
    better: dict[str, list[float | None]] = {**ARMS, "norm=bn": [0.99, 0.99, 0.99]}
    assert target(calibrated=runs, arms=ARMS) == target(calibrated=runs, arms=better) == target(calibrated=runs)


def test_calibration_runs_that_did_not_finish_are_told_of_and_left_out() -> None:
    found = target(calibrated=calibrated(0.8, None, 0.9, 0.7, float("nan")), arms=ARMS)
    assert found.value == pytest.approx(0.8 - 0.01, abs=1e-15)
    assert found.why == "the baseline's, norm=none, median best of the 3 of 5 calibration runs that finished, less 0.01"


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        (calibrated(0.8, None, None, 0.7), "of 4 calibration runs of norm=none 2 finished"),
        (calibrated(None, None), "of 2 calibration runs of norm=none none finished"),
        (
            calibrated(0.11, 0.1, 0.12, learned=1),
            "in calibration norm=none learned nothing, or all before it was first measured",
        ),
        (Calibrated(why="calibration=0"), "calibration=0"),
    ],
)
def test_without_calibration_it_is_what_the_best_arm_reached_and_it_says_why(runs: Calibrated, why: str) -> None:
    found = target(calibrated=runs, arms=ARMS)
    assert found.value == pytest.approx(0.9 - 0.01, abs=1e-15)
    assert found.why == f"the best median of the compared arms, that of norm=bn, less 0.01; {why}"
    assert (found.rule, found.margin) == (Rule.best_arm, 0.01)


def test_half_of_the_calibration_runs_have_to_have_learned() -> None:
    assert target(calibrated=calibrated(0.5, 0.7, learned=1)).value == pytest.approx(0.6 - 0.01, abs=1e-15)
    assert target(calibrated=calibrated(0.5, 0.7, 0.7, learned=1)).rule is Rule.none
    unfinished = Calibrated("a", [1, 2, 3], [0.5, 0.7, None], [True, False, False])
    assert target(calibrated=unfinished).rule is Rule.calibration


@pytest.mark.parametrize(
    ("metric", "loss", "expected"),
    [
        ([0.1, 0.5, 0.3], [2.3, 1.0, 1.2], True),
        ([0.1, 0.13, 0.08], [2.31, 2.30, 2.29], False),  # up and down between equal classes
        ([0.63, 0.63, 0.63], [0.69, 0.65, 0.65], False),  # the share of the larger class
        ([0.97, 0.975, 0.97], [0.2, 0.1, 0.1], False),  # all of it before it was first measured
        ([float("nan"), 0.1, 0.5], [float("nan"), 2.3, 1.0], True),
        ([], [], False),
        ([float("nan")], [float("nan")], False),
    ],
)
def test_a_run_has_learned_if_its_metric_rose_and_its_loss_fell_below_chance(
    metric: list[float], loss: list[float], expected: bool
) -> None:
    given = np.array(metric), np.array(loss)
    assert learned(*given, higher_is_better=True, chance=math.log(10)) is expected
    assert learned(-given[0], given[1], higher_is_better=False, chance=math.log(10)) is expected


def test_what_counts_as_learned_is_more_than_a_hundredth_and_a_twentieth() -> None:
    def says(gain: float, loss: float, chance: float | None = 2.0) -> bool:
        return learned(np.array([0.0, gain]), np.array([5.0, loss]), higher_is_better=True, chance=chance)

    assert [says(0.01, 1.0), says(0.011, 1.0)] == [False, True]
    assert [says(0.5, 1.9), says(0.5, 1.899)] == [False, True]
    assert says(0.5, 9.0, chance=None)


@pytest.mark.parametrize(("higher", "value", "arm"), [(True, 0.9 - 0.01, "norm=bn"), (False, 0.6 * 1.1, "norm=none")])
def test_the_best_arm_is_the_one_with_the_best_median(higher: bool, value: float, arm: str) -> None:
    found = target(arms=ARMS, higher_is_better=higher)
    assert found.value == pytest.approx(value, abs=1e-15)
    assert found.why == f"the best median of the compared arms, that of {arm}, {'less 0.01' if higher else 'plus 10 %'}"


@pytest.mark.parametrize(("higher", "value", "arm"), [(True, 0.6, "norm=none"), (False, 0.9, "norm=bn")])
def test_what_every_arm_reached_is_the_worst_median(higher: bool, value: float, arm: str) -> None:
    found = target("reached", calibrated=calibrated(0.1, 0.2), arms=ARMS, higher_is_better=higher)
    assert (found.value, found.rule, found.margin) == (value, Rule.reached, None)
    assert found.why == f"what every arm reached, the last {arm}, by medians"


def test_an_arm_without_a_finished_run_has_reached_nothing_and_is_told_of() -> None:
    found = target("reached", arms={"a": [0.7], "b": [None, float("inf")]})
    assert found.value == 0.7
    assert found.why.endswith("; 1 arm without a finished run left out")


@pytest.mark.parametrize("asked", ["auto", "reached"])
def test_without_anything_there_is_no_target(asked: str) -> None:
    found = target(asked, arms={"a": [None]})
    assert found.sentence("val/acc", True) == "Target: none (no run has finished)."
    assert found.rule is Rule.none
