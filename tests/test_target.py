from __future__ import annotations

import pytest

from ablate.analysis.target import target


def test_a_number_given_is_the_target() -> None:
    found = target(0.9, calibration=[0.5], arms={"a": [0.1]})
    assert (found.value, found.why) == (0.9, "as given")
    assert found.sentence("val/acc") == "Target: val/acc ≥ 0.9 (as given)."


def test_calibration_runs_give_the_median_best_less_a_margin() -> None:
    found = target(calibration=[0.8, None, 0.9, 0.7, float("nan")], arms={"a": [0.1]}, margin=0.05)
    assert found.value == pytest.approx(0.75)
    assert found.why == "the baseline's median best of 3 calibration runs, less 0.05"
    lower = target(calibration=[0.8, 0.9, 0.7], higher_is_better=False)
    assert lower.value == pytest.approx(0.81)
    assert lower.why.endswith("plus 0.01")


@pytest.mark.parametrize(("higher", "value", "arm"), [(True, 0.6, "norm=none"), (False, 0.9, "norm=bn")])
def test_else_it_is_what_every_arm_reached(higher: bool, value: float, arm: str) -> None:
    found = target(arms={"norm=bn": [0.9, 0.95, 0.8], "norm=none": [0.6, 0.9, None, 0.5]}, higher_is_better=higher)
    assert found.value == value
    assert arm in found.why
    assert "of the runs compared" in found.why


def test_an_arm_that_learned_nothing_does_not_lower_it() -> None:
    arms = {"good": [0.9], "fair": [0.8], "chance": [0.1]}
    found = target(arms=arms, constant=0.1)
    assert found.value == 0.8
    assert "1 arm that learned nothing left out" in found.why
    assert target(arms={"chance": [0.1]}, constant=0.1).value is None


def test_without_anything_there_is_no_target() -> None:
    assert target(arms={"a": [None]}).sentence() == "No target: no run has finished."
