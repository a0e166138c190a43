"""The grid and the choice when a parameter is tuned for each arm, and the seeds that nobody reports."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.designs.apart import CALIBRATION, TUNING
from ablate.designs.tuning import Choice, at_edge, choose, grid_around


@pytest.mark.parametrize(
    ("default", "grid"),
    [
        (0.001, "0.00003 0.0001 0.0003 0.001 0.003 0.01 0.03"),
        (0.0003, "0.00001 0.00003 0.0001 0.0003 0.001 0.003 0.01"),
        (0.1, "0.003 0.01 0.03 0.1 0.3 1 3"),
        (1, "0.03 0.1 0.3 1 3 10 30"),
        (0.02, "0.0005 0.002 0.005 0.02 0.05 0.2 0.5"),
        (0.05, "0.002 0.005 0.02 0.05 0.2 0.5 2"),
        (0.0025, "0.0001 0.00025 0.001 0.0025 0.01 0.025 0.1"),
    ],
)
def test_a_grid_is_seven_readable_numbers_around_the_default(default: float, grid: str) -> None:
    assert " ".join(grid_around(default)) == grid


@given(st.integers(1, 9999), st.integers(-12, 3))
def test_a_grid_is_half_decades_apart_and_has_the_default_in_its_middle(digits: int, exponent: int) -> None:
    default = float(f"{digits}e{exponent}")
    values = [float(text) for text in grid_around(default)]
    assert values[3] == default
    assert all(2 <= above / below <= 5 for below, above in itertools.pairwise(values))
    assert all(math.isclose(above / below, 10) for below, above in zip(values, values[2:], strict=False))


@pytest.mark.parametrize("default", [0, -1, math.nan, math.inf])
def test_a_grid_is_made_of_positive_numbers(default: float) -> None:
    with pytest.raises(ValueError, match="default must be positive"):
        grid_around(default)


def test_tuning_seeds_are_none_of_the_reported() -> None:
    assert TUNING.seeds([0, 1, 2], 3) == (1_000_000, 1_000_001, 1_000_002)
    assert TUNING.seeds([1_000_001, 5, 1_000_002], 3) == (1_000_000, 1_000_003, 1_000_004)


@given(st.sets(st.integers(999_990, 1_000_010) | st.integers(1_999_990, 2_000_010)), st.integers(1, 9))
def test_reported_tuning_and_calibration_seeds_are_disjoint(reported: set[int], count: int) -> None:
    tuning = TUNING.seeds(reported, count)
    calibration = CALIBRATION.seeds({*reported, *tuning}, count)
    assert len({*reported, *tuning, *calibration}) == len(reported) + 2 * count


def test_the_level_with_the_best_mean_is_chosen() -> None:
    scores = {"0.01": [0.5, 0.75], "0.1": [1.0, 0.75], "1": [0.25, 0.5]}
    means = {"0.01": 0.625, "0.1": 0.875, "1": 0.375}
    assert choose(scores, higher_is_better=True) == Choice("0.1", means, dict.fromkeys(scores, 0))
    assert choose(scores, higher_is_better=False).level == "1"


def test_a_choice_at_the_edge_of_the_numbers_is_flagged() -> None:
    assert at_edge("0.01", ["1", "0.01", "0.1"])  # whatever the order
    assert at_edge("1", ["1e-2", "1", "0.1"])
    assert not at_edge("0.01", ["1", "0.01", "0.001"])
    assert not at_edge("1", ["1"])
    assert not at_edge("gelu", ["relu", "gelu"])


def test_a_level_with_a_failed_run_ranks_behind_all_without() -> None:
    failing: dict[str, list[float | None]] = {"1": [0.9, None], "10": [None, 0.95], "100": [None, math.nan]}
    scores: dict[str, list[float | None]] = {"0.1": [0.2, 0.2], **failing}
    for higher_is_better in (True, False):
        choice = choose(scores, higher_is_better)
        assert choice.level == "0.1"
        assert choice.failed == {"0.1": 0, "1": 1, "10": 1, "100": 2}
        assert choice.means == {"0.1": 0.2, "1": 0.9, "10": 0.95, "100": None}
    assert choose(failing, higher_is_better=True).level == "10"


def test_of_equals_the_earlier_is_chosen() -> None:
    assert choose({"0.3": [1, 2], "0.1": [2, 1]}, higher_is_better=True).level == "0.3"


def test_nothing_is_chosen_where_everything_failed() -> None:
    assert choose({"0.1": [None], "1": [math.inf]}, higher_is_better=False) == Choice(
        None, {"0.1": None, "1": None}, {"0.1": 1, "1": 1}
    )
