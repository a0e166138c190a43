from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ablate.techniques import Schedule
from tests.helpers import make, refusal

RATE = 0.2


def factors(name: str, total: int, steps: int, **params: float) -> list[float]:
    """Return what the rate was multiplied by at each of ``steps`` optimizer steps."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=RATE)
    schedule = make(Schedule, name, **params).build(optimizer, total)
    assert schedule is not None
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"] / RATE)
        optimizer.step()
        schedule.step()
    return found


def test_none_is_a_constant_rate() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=RATE)
    assert make(Schedule, "none").build(optimizer, 10) is None
    assert optimizer.param_groups[0]["lr"] == RATE


@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("total", [1, 7, 20])
def test_cosine_follows_the_formula(total: int, final: float) -> None:
    expected = [final + (1 - final) * (1 + math.cos(math.pi * t / total)) / 2 for t in range(total + 1)]
    assert factors("cosine", total, total + 1, final=final) == pytest.approx(expected, abs=1e-12)


def test_cosine_from_start_over_the_middle_to_the_end() -> None:
    found = factors("cosine", 20, 25, final=0.1)
    assert [found[t] for t in (0, 10, 20)] == pytest.approx([1, 0.55, 0.1], abs=1e-12)
    assert found[20:] == pytest.approx([0.1] * 5, abs=1e-12)  # it does not swing back up


@pytest.mark.parametrize(
    ("total", "drops", "at"),
    [(12, 2, [4, 8]), (10, 2, [4, 7]), (11, 3, [3, 6, 9]), (5, 1, [3])],  # the first t with t (drops + 1) / T ≥ k
)
def test_step_drops_at_evenly_spaced_points(total: int, drops: int, at: list[int]) -> None:
    found = factors("step", total, total + 3, gamma=0.5, drops=drops)
    expected = [0.5 ** sum(t >= point for point in at) for t in range(total + 3)]
    assert found == pytest.approx(expected, rel=1e-12)  # the steps past the end keep the last rate


@pytest.mark.parametrize(("gamma", "drops"), [(0.1, 2), (0.7, 4), (1.0, 1)])
def test_step_follows_the_formula(gamma: float, drops: int) -> None:
    expected = [gamma ** math.floor(t * (drops + 1) / 23) for t in range(23)]
    assert factors("step", 23, 23, gamma=gamma, drops=drops) == pytest.approx(expected, rel=1e-12)


def test_the_defaults() -> None:
    assert factors("cosine", 8, 9) == pytest.approx(factors("cosine", 8, 9, final=0.0))
    assert factors("step", 9, 9) == pytest.approx([1] * 3 + [0.1] * 3 + [0.01] * 3)


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        *[("cosine", "final", value) for value in (-0.1, 1.1, math.nan)],
        *[("step", "gamma", value) for value in (0.0, -0.5, 1.1, math.nan)],
        *[("step", "drops", value) for value in (0, -1)],
    ],
)
def test_values_out_of_range_are_refused(name: str, parameter: str, value: float) -> None:
    assert f"{parameter} must be" in refusal(Schedule, name, **{parameter: value})
