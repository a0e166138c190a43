from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ablate.techniques import Optimizer
from tests.helpers import make, normal, refusal

CURVATURE = torch.tensor([0.3, 1.0, 4.0], dtype=torch.float64)
START = torch.tensor([2.0, -1.5, 0.7], dtype=torch.float64)
Path = list[Tensor]


def gradient(w: Tensor) -> Tensor:
    """Return the gradient of Σ curvature · w⁴ / 4 + w: never constant, so that wrong averages show."""
    return CURVATURE * w**3 + 1


def sgd(lr: float) -> Path:
    w, path = START, []
    for _ in range(6):
        w = w - lr * gradient(w)
        path.append(w)
    return path


def momentum(lr: float, momentum: float) -> Path:
    w, v, path = START, torch.zeros_like(START), []
    for _ in range(6):
        v = momentum * v + gradient(w)
        w = w - lr * v
        path.append(w)
    return path


def rmsprop(lr: float, alpha: float, eps: float) -> Path:
    w, v, path = START, torch.zeros_like(START), []
    for _ in range(6):
        g = gradient(w)
        v = alpha * v + (1 - alpha) * g**2
        w = w - lr * g / (v.sqrt() + eps)
        path.append(w)
    return path


def adam(lr: float, beta1: float, beta2: float, eps: float) -> Path:
    w, m, v, path = START, torch.zeros_like(START), torch.zeros_like(START), []
    for t in range(1, 7):
        g = gradient(w)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w = w - lr * (m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + eps)
        path.append(w)
    return path


RULES: dict[str, Callable[..., Path]] = {"sgd": sgd, "momentum": momentum, "rmsprop": rmsprop, "adam": adam}
DEFAULTS: dict[str, dict[str, float]] = {
    "sgd": {"lr": 0.1},
    "momentum": {"lr": 0.01, "momentum": 0.9},
    "rmsprop": {"lr": 1e-3, "alpha": 0.99, "eps": 1e-8},
    "adam": {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
}
OTHERS: dict[str, dict[str, float]] = {
    "sgd": {"lr": 0.03},
    "momentum": {"lr": 0.02, "momentum": 0.5},
    "rmsprop": {"lr": 0.1, "alpha": 0.8, "eps": 0.5},
    "adam": {"lr": 0.1, "beta1": 0.7, "beta2": 0.6, "eps": 0.5},
}


def taken(name: str, **params: float) -> Path:
    w = nn.Parameter(START.clone())
    optimizer = make(Optimizer, name, **params).build([w])
    path = []
    for _ in range(6):
        w.grad = gradient(w.detach())
        optimizer.step()
        path.append(w.detach().clone())
    return path


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("given", [{}, OTHERS], ids=["defaults", "others"])
def test_every_step_follows_the_rule(name: str, given: dict[str, dict[str, float]]) -> None:
    params = given.get(name, {})
    expected = RULES[name](**(params or DEFAULTS[name]))
    torch.testing.assert_close(torch.stack(taken(name, **params)), torch.stack(expected), rtol=0, atol=1e-12)


def test_no_momentum_is_sgd() -> None:
    assert torch.equal(torch.stack(taken("momentum", lr=0.05, momentum=0.0)), torch.stack(taken("sgd", lr=0.05)))


@pytest.mark.parametrize("name", RULES)
def test_every_parameter_is_updated_and_the_rate_is_the_chosen_one(name: str) -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).double()
    optimizer = make(Optimizer, name, lr=0.02).build(net.parameters())
    before = [p.detach().clone() for p in net.parameters()]
    net(normal(5, 3)).square().sum().backward()
    optimizer.step()
    assert all(not torch.equal(p, old) for p, old in zip(net.parameters(), before, strict=True))
    assert [group["lr"] for group in optimizer.param_groups] == [0.02]


@pytest.mark.parametrize("name", RULES)
def test_without_gradient_nothing_moves(name: str) -> None:
    # No weight decay hides in an optimizer: that is a regularizer's part.
    w = nn.Parameter(START.clone())
    optimizer = make(Optimizer, name).build([w])
    w.grad = torch.zeros_like(w)
    optimizer.step()
    assert torch.equal(w.detach(), START)


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        *[(name, "lr", value) for name in RULES for value in (0.0, -0.1, math.nan)],
        *[
            (name, parameter, value)
            for name, parameter in [
                ("momentum", "momentum"),
                ("rmsprop", "alpha"),
                ("adam", "beta1"),
                ("adam", "beta2"),
            ]
            for value in (-0.1, 1.0, math.nan)
        ],
    ],
)
def test_values_out_of_range_are_refused(name: str, parameter: str, value: float) -> None:
    assert f"{parameter} must be" in refusal(Optimizer, name, **{parameter: value})


@pytest.mark.parametrize("name", ["rmsprop", "adam"])
@pytest.mark.parametrize("eps", [-1e-8, math.nan])
def test_a_bad_eps_is_refused(name: str, eps: float) -> None:
    assert "eps must" in refusal(Optimizer, name, eps=eps)
