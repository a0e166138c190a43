from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from ablate.techniques import Init
from tests.helpers import generator, make, refusal

FAN_IN, FAN_OUT = 60, 240
FANS = {"fan_in": 60.0, "fan_out": 240.0, "fan_avg": 150.0}
GAINS = {"xavier": 1.0, "he": math.sqrt(2)}


def filled(name: str, *shape: int, seed: int = 0, **params: Any) -> Tensor:
    # The fans are given apart from the shape, so that a technique cannot guess them from it.
    weight = torch.full(shape or (400, 300), torch.nan, dtype=torch.float64)
    make(Init, name, **params).fill(weight, FAN_IN, FAN_OUT, generator(seed))
    return weight


@pytest.mark.parametrize("gain", [None, 0.5])
@pytest.mark.parametrize("mode", FANS)
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
@pytest.mark.parametrize("name", GAINS)
def test_variance_is_gain_squared_over_fan(name: str, distribution: str, mode: str, gain: float | None) -> None:
    params: dict[str, Any] = {} if gain is None else {"gain": gain}
    weight = filled(name, mode=mode, distribution=distribution, **params)
    std = (gain or GAINS[name]) / math.sqrt(FANS[mode])
    assert weight.std().item() == pytest.approx(std, rel=0.01)
    assert abs(weight.mean().item()) < 5 * std / math.sqrt(weight.numel())
    largest = weight.abs().max().item() / std
    within_one = (weight.abs() < std).double().mean().item()
    if distribution == "uniform":
        assert 0.999 * math.sqrt(3) < largest <= math.sqrt(3)
        assert within_one == pytest.approx(1 / math.sqrt(3), abs=0.01)
    else:
        assert largest > 3
        assert within_one == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.01)


@pytest.mark.parametrize("name", GAINS)
def test_fan_in_and_normal_are_the_defaults(name: str) -> None:
    assert torch.equal(filled(name), filled(name, mode="fan_in", distribution="normal", gain=GAINS[name]))


def test_he_keeps_the_power_of_a_signal_through_relu() -> None:
    weight = torch.empty(500, 400, dtype=torch.float64)
    make(Init, "he").fill(weight, 400, 500, generator(1))
    x = torch.randn(400, 200, dtype=torch.float64, generator=generator(2)).relu()
    power_in, power_out = x.square().mean(), (weight @ x).relu().square().mean()
    assert power_out.item() == pytest.approx(power_in.item(), rel=0.05)


def test_zeros() -> None:
    assert torch.equal(filled("zeros"), torch.zeros(400, 300, dtype=torch.float64))


@pytest.mark.parametrize("gain", [1.0, 2.5])
@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 5), (4, 3, 2, 2), (20, 2, 3, 3)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...], gain: float) -> None:
    matrix = filled("orthogonal", *shape, gain=gain).flatten(1)
    rows, columns = matrix.shape
    product = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    torch.testing.assert_close(product, gain**2 * torch.eye(min(rows, columns), dtype=torch.float64))


@pytest.mark.parametrize("name", ["xavier", "he", "orthogonal"])
def test_the_generator_alone_decides(name: str) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = filled(name, 6, 6, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(filled(name, 6, 6, seed=3), first)
    assert not torch.equal(filled(name, 6, 6, seed=4), first)


@pytest.mark.parametrize("name", ["xavier", "he", "orthogonal"])
@pytest.mark.parametrize("gain", [0.0, -1.0, math.nan])
def test_a_gain_that_is_not_positive_is_refused(name: str, gain: float) -> None:
    assert "gain must be positive" in refusal(Init, name, gain=gain)


@pytest.mark.parametrize(("params", "choices"), [({"mode": "mean"}, FANS), ({"distribution": "cauchy"}, ["uniform"])])
def test_an_unknown_choice_is_refused_with_the_choices(params: dict[str, str], choices: list[str]) -> None:
    reason = refusal(Init, "xavier", **params)
    assert all(choice in reason for choice in choices)
