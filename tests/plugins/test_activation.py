from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from ablate.techniques import Activation
from tests.helpers import make, normal, refusal


def gelu(x: float) -> float:
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def gelu_tanh(x: float) -> float:
    return x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def elu(alpha: float) -> Callable[[float], float]:
    return lambda x: x if x > 0 else alpha * (math.exp(x) - 1)


def softplus(beta: float) -> Callable[[float], float]:
    return lambda x: math.log(1 + math.exp(beta * x)) / beta


def leaky(slope: float) -> Callable[[float], float]:
    return lambda x: x if x > 0 else slope * x


FORMULAS: list[tuple[str, dict[str, Any], Callable[[float], float]]] = [
    ("identity", {}, lambda x: x),
    ("relu", {}, lambda x: max(0.0, x)),
    ("sigmoid", {}, lambda x: 1 / (1 + math.exp(-x))),
    ("tanh", {}, math.tanh),
    ("gelu", {}, gelu),
    ("gelu", {"approximate": "none"}, gelu),
    ("gelu", {"approximate": "tanh"}, gelu_tanh),
    ("step", {}, lambda x: float(x >= 0)),
    ("leaky_relu", {}, leaky(0.01)),
    ("leaky_relu", {"slope": 0.2}, leaky(0.2)),
    ("prelu", {}, leaky(0.25)),
    ("prelu", {"init": -0.1}, leaky(-0.1)),
    ("elu", {}, elu(1.0)),
    ("elu", {"alpha": 0.3}, elu(0.3)),
    ("selu", {}, lambda x: SELU_SCALE * elu(SELU_ALPHA)(x)),
    ("softplus", {}, softplus(1.0)),
    ("softplus", {"beta": 3.0}, softplus(3.0)),
    ("silu", {}, lambda x: x / (1 + math.exp(-x))),
    ("mish", {}, lambda x: x * math.tanh(math.log(1 + math.exp(x)))),
    ("hardswish", {}, lambda x: x * min(max(x + 3, 0.0), 6.0) / 6),
]


@pytest.mark.parametrize(("name", "params", "formula"), FORMULAS)
def test_values_follow_the_formula(name: str, params: dict[str, Any], formula: Callable[[float], float]) -> None:
    x = torch.linspace(-4, 4, 41, dtype=torch.float64)
    expected = torch.tensor([formula(v) for v in x.tolist()], dtype=torch.float64)
    layer = make(Activation, name, **params).build().double()
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-8 if name == "prelu" else 1e-12)


@pytest.mark.parametrize(("name", "params", "formula"), FORMULAS)
def test_gradients_follow_the_formula(name: str, params: dict[str, Any], formula: Callable[[float], float]) -> None:
    x = torch.tensor([-2.3, -0.7, 0.4, 1.9], dtype=torch.float64, requires_grad=True)
    make(Activation, name, **params).build().double()(x).sum().backward()
    slopes = [(formula(v + 1e-6) - formula(v - 1e-6)) / 2e-6 for v in x.tolist()]
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.tensor(slopes, dtype=torch.float64), rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", [*dict.fromkeys(name for name, _, _ in FORMULAS), "softmax"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_shape_type_and_the_input_stay(name: str, dtype: torch.dtype) -> None:
    x = normal(2, 3, 4, 5).to(dtype)
    before = x.clone()
    out = make(Activation, name).build().to(dtype)(x)
    assert (out.shape, out.dtype) == (x.shape, dtype)
    assert torch.equal(x, before)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (4, 5, 2, 3)])
def test_softmax_is_over_the_features(shape: tuple[int, ...]) -> None:
    x = normal(*shape)
    expected = x.exp() / x.exp().sum(1, keepdim=True)
    torch.testing.assert_close(make(Activation, "softmax").build()(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("surrogate", "slopes"),
    [("none", [0.0] * 8), ("straight_through", [0.0, 1, 1, 1, 1, 1, 1, 0])],
)
def test_values_and_gradients_of_the_step(surrogate: str, slopes: list[float]) -> None:
    x = torch.tensor([-2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    layer = make(Activation, "step", surrogate=surrogate).build()
    out = layer(x)
    assert out.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    out.backward(torch.full_like(x, 3.0))
    assert x.grad is not None
    assert x.grad.tolist() == [3 * slope for slope in slopes]
    assert layer(torch.tensor([-math.inf, math.inf])).tolist() == [0, 1]


def test_the_straight_through_step_lets_the_first_layer_learn() -> None:
    for surrogate, learns in (("none", False), ("straight_through", True)):
        step = make(Activation, "step", surrogate=surrogate).build()
        net = nn.Sequential(nn.Linear(3, 8), step, nn.Linear(8, 1)).double()
        net(normal(16, 3)).square().sum().backward()
        gradient = net.get_parameter("0.weight").grad
        assert gradient is not None
        assert bool(gradient.any()) is learns


def test_prelu_learns_one_slope() -> None:
    layer = make(Activation, "prelu", init=0.5).build().double()
    (slope,) = layer.parameters()
    x = normal(4, 3, 2, 2)
    layer(x).sum().backward()
    assert slope.tolist() == [0.5]
    assert slope.grad is not None
    assert slope.grad.item() == pytest.approx(x.clamp(max=0).sum().item(), rel=1e-12)


def test_softplus_is_linear_far_out() -> None:
    x = torch.tensor([7.0, 10.0], dtype=torch.float64)  # beta · x is 21 and 30
    torch.testing.assert_close(make(Activation, "softplus", beta=3.0).build()(x), x, rtol=0, atol=3e-9 / 3)


@pytest.mark.parametrize(
    ("name", "parameter", "reason", "values"),
    [
        ("leaky_relu", "slope", "not be negative", [-0.1, math.inf, math.nan]),
        ("prelu", "init", "be finite", [math.inf, math.nan]),
        ("elu", "alpha", "be positive", [0.0, -1.0, math.nan]),
        ("softplus", "beta", "be positive", [0.0, -1.0, math.nan]),
    ],
)
def test_values_out_of_range_are_refused(name: str, parameter: str, reason: str, values: list[float]) -> None:
    for value in values:
        assert f"{parameter} must {reason}" in refusal(Activation, name, **{parameter: value})


def test_an_unknown_surrogate_is_refused_with_the_choices() -> None:
    assert "none, straight_through" in refusal(Activation, "step", surrogate="sigmoid")


def test_an_unknown_approximation_is_refused_with_the_choices() -> None:
    assert "none, tanh" in refusal(Activation, "gelu", approximate="erf")
