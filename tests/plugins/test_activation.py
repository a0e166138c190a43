from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from ablate.techniques import Activation
from tests.helpers import make, normal, refusal


def gelu(x: float) -> float:
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def gelu_tanh(x: float) -> float:
    return x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


FORMULAS: list[tuple[str, dict[str, str], Callable[[float], float]]] = [
    ("identity", {}, lambda x: x),
    ("relu", {}, lambda x: max(0.0, x)),
    ("sigmoid", {}, lambda x: 1 / (1 + math.exp(-x))),
    ("tanh", {}, math.tanh),
    ("gelu", {}, gelu),
    ("gelu", {"approximate": "none"}, gelu),
    ("gelu", {"approximate": "tanh"}, gelu_tanh),
]


@pytest.mark.parametrize(("name", "params", "formula"), FORMULAS)
def test_values_follow_the_formula(name: str, params: dict[str, str], formula: Callable[[float], float]) -> None:
    x = torch.linspace(-4, 4, 41, dtype=torch.float64)
    expected = torch.tensor([formula(v) for v in x.tolist()], dtype=torch.float64)
    torch.testing.assert_close(make(Activation, name, **params).build()(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "params", "formula"), FORMULAS)
def test_gradients_follow_the_formula(name: str, params: dict[str, str], formula: Callable[[float], float]) -> None:
    x = torch.tensor([-2.3, -0.7, 0.4, 1.9], dtype=torch.float64, requires_grad=True)
    make(Activation, name, **params).build()(x).sum().backward()
    slopes = [(formula(v + 1e-6) - formula(v - 1e-6)) / 2e-6 for v in x.tolist()]
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.tensor(slopes, dtype=torch.float64), rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ["identity", "relu", "sigmoid", "tanh", "gelu"])
def test_the_shape_and_the_input_stay(name: str) -> None:
    x = normal(2, 3, 4, 5)
    before = x.clone()
    assert make(Activation, name).build()(x).shape == x.shape
    assert torch.equal(x, before)


def test_an_unknown_approximation_is_refused_with_the_choices() -> None:
    assert "none, tanh" in refusal(Activation, "gelu", approximate="erf")
