from __future__ import annotations

import io
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import ablate
from ablate.config import Config
from ablate.techniques import Optimizer
from tests.helpers import make, normal, refusal
from tests.plugins.optimizer_rules import DEFAULTS, OTHERS, RULES, START, taken

ALL = [*RULES, "muon", "lbfgs"]
DECAYING = ["adamw", "nadam", "radam", "lion", "muon"]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("given", [{}, OTHERS], ids=["defaults", "others"])
def test_every_step_follows_the_rule(name: str, given: dict[str, dict[str, float]]) -> None:
    params = given.get(name, {})
    expected = RULES[name](**(params or DEFAULTS[name]))
    torch.testing.assert_close(torch.stack(taken(name, **params)), torch.stack(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_no_momentum_is_sgd(name: str) -> None:
    assert torch.equal(torch.stack(taken(name, lr=0.05, momentum=0.0)), torch.stack(taken("sgd", lr=0.05)))


@pytest.mark.parametrize("name", ["adamw", "nadam", "radam"])
def test_without_decay_the_decoupled_ones_do_not_shrink_the_weights(name: str) -> None:
    params = {**OTHERS[name], "weight_decay": 0.0}
    torch.testing.assert_close(torch.stack(taken(name, **params)), torch.stack(RULES[name](**params)))
    assert not torch.equal(taken(name, **params)[-1], taken(name, **OTHERS[name])[-1])


def test_radam_waits_for_its_root_mean_square() -> None:
    # With beta2 = 0.999 the rectification begins at the sixth step; before, it is momentum with its start corrected.
    slow, other = taken("radam", lr=0.01), taken("radam", lr=0.01, eps=1e3)
    assert [torch.equal(a, b) for a, b in zip(slow, other, strict=True)] == [True] * 5 + [False] * 3


@pytest.mark.parametrize("name", [name for name in ALL if name != "lbfgs"])
def test_every_parameter_is_updated_and_the_rate_is_the_chosen_one(name: str) -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).double()
    optimizer = make(Optimizer, name, lr=0.02).build(net.parameters())
    before = [p.detach().clone() for p in net.parameters()]
    net(normal(5, 3)).square().sum().backward()
    optimizer.step()
    assert all(not torch.equal(p, old) for p, old in zip(net.parameters(), before, strict=True))
    assert [group["lr"] for group in optimizer.param_groups] == [0.02, *([3e-4] if name == "muon" else [])]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_without_gradient_nothing_moves(name: str, shape: tuple[int, ...]) -> None:
    w = nn.Parameter(START.clone().view(shape))
    params = {"weight_decay": 0.0} if name in DECAYING else {}
    optimizer = make(Optimizer, name, **params).build([w])

    def closure() -> Tensor:
        w.grad = torch.zeros_like(w)
        return torch.zeros(())

    optimizer.step(closure)  # type: ignore[arg-type]  # torch's stubs want floats
    assert torch.equal(w.detach(), START.view(shape))


@pytest.mark.parametrize("name", ["lion", "muon"])
def test_weights_without_a_gradient_are_left_alone(name: str) -> None:
    used, unused = nn.Parameter(START.clone()), nn.Parameter(START.clone())
    optimizer = make(Optimizer, name, weight_decay=0.5).build([used, unused])
    used.grad = torch.ones_like(used)
    optimizer.step()
    assert torch.equal(unused.detach(), START)
    assert not torch.equal(used.detach(), START)


def trained(name: str, steps: int, stop_after: int | None = None) -> list[Tensor]:
    """Return the weights after ``steps``; ``stop_after`` some, all is written to a file and read again."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    optimizer = make(Optimizer, name).build(net.parameters())
    x, y = normal(20, 3).float(), normal(20, 2, seed=1).float()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = (net(x) - y).square().mean()
        loss.backward()
        return loss

    for step in range(steps):
        if step == stop_after:
            file = io.BytesIO()
            torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, file)
            file.seek(0)
            saved = torch.load(file, weights_only=True)
            net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
            net.load_state_dict(saved["net"])
            optimizer = make(Optimizer, name).build(net.parameters())
            optimizer.load_state_dict(saved["optimizer"])
        optimizer.step(closure)  # type: ignore[arg-type]
    return [p.detach() for p in net.parameters()]


@pytest.mark.parametrize("name", ALL)
def test_training_resumes_exactly(name: str) -> None:
    for whole, resumed in zip(trained(name, 7), trained(name, 7, stop_after=3), strict=True):
        assert torch.equal(whole, resumed)


@pytest.mark.parametrize("line_search", ["strong_wolfe", "none"])
def test_lbfgs_solves_least_squares_as_algebra_does(line_search: str) -> None:
    x, y = normal(30, 4), normal(30, 1, seed=1)
    w = nn.Parameter(torch.zeros(4, 1, dtype=torch.float64))
    optimizer = make(Optimizer, "lbfgs", line_search=line_search).build([w])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (x @ w - y).square().mean()
        loss.backward()
        return loss

    for _ in range(10):
        optimizer.step(closure)  # type: ignore[arg-type]
    torch.testing.assert_close(w.detach(), torch.linalg.lstsq(x, y).solution, rtol=0, atol=1e-6)


def test_lbfgs_is_given_its_parameters() -> None:
    (group,) = make(Optimizer, "lbfgs", lr=0.5, iterations=7, history=3).build([nn.Parameter(START)]).param_groups
    assert (group["lr"], group["max_iter"], group["history_size"]) == (0.5, 7, 3)


def test_lbfgs_trains_a_network_in_few_steps(short_config: Callable[..., Config]) -> None:
    settings = ("opt=lbfgs", "data=iris", "data.batch_size=all", "data.train_size=null", "trainer.max_epochs=4")
    record = ablate.run(short_config(*settings))
    accuracy, loss = record.facts.test["test/acc"], record.facts.test["test/loss"]
    assert accuracy is not None
    assert loss is not None
    assert accuracy > 0.9
    assert loss < 0.6


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        *[(name, "lr", value) for name in ALL for value in (0.0, -0.1, math.nan)],
        *[
            (name, parameter, value)
            for name, parameter in [
                ("momentum", "momentum"),
                ("nesterov", "momentum"),
                ("muon", "momentum"),
                ("rmsprop", "alpha"),
                ("adadelta", "rho"),
                *[(name, beta) for name in ("adam", "adamw", "nadam", "radam", "lion") for beta in ("beta1", "beta2")],
            ]
            for value in (-0.1, 1.0, math.nan)
        ],
        ("muon", "adam_lr", 0.0),
        ("muon", "steps", 0),
        ("lbfgs", "iterations", 0),
        ("lbfgs", "history", 0),
    ],
)
def test_values_out_of_range_are_refused(name: str, parameter: str, value: float) -> None:
    assert f"{parameter} must be" in refusal(Optimizer, name, **{parameter: value})


@pytest.mark.parametrize("name", ["rmsprop", "adagrad", "adadelta", "adam", "adamw", "nadam", "radam"])
@pytest.mark.parametrize("eps", [-1e-8, math.nan])
def test_a_bad_eps_is_refused(name: str, eps: float) -> None:
    assert "eps must" in refusal(Optimizer, name, eps=eps)


@pytest.mark.parametrize("name", DECAYING)
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_a_bad_decay_is_refused(name: str, value: float) -> None:
    assert "weight_decay must not be negative" in refusal(Optimizer, name, weight_decay=value)


def test_only_rules_that_decouple_it_have_weight_decay() -> None:
    for name in set(ALL) - set(DECAYING):
        assert "weight_decay" in refusal(Optimizer, name, weight_decay=0.1)


def test_an_adadelta_that_could_not_start_is_refused() -> None:
    assert "eps must be positive" in refusal(Optimizer, "adadelta", eps=0.0)


def test_an_unknown_line_search_is_refused_with_the_choices() -> None:
    assert "none, strong_wolfe" in refusal(Optimizer, "lbfgs", line_search="armijo")
