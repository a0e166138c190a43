"""Each loss against its formula, one term at a time; with class indices, and with shares of the classes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ablate.errors import ConfigError
from ablate.techniques import Loss, Task
from tests.helpers import generator, make, normal, refusal

LOGITS = normal(6, 4)
INDICES = torch.tensor([0, 3, 1, 1, 2, 0])
PIXEL_LOGITS = normal(2, 3, 4, 5, seed=1)
PIXEL_INDICES = torch.randint(3, (2, 4, 5), generator=generator())


def value(name: str, logits: Tensor, target: Tensor, task: Task = Task.classification, **params: object) -> Tensor:
    return make(Loss, name, **params).build(task)(logits, target)


def one_hot(indices: Tensor, logits: Tensor) -> Tensor:
    """Return (B, C, *S) of zeros and ones, filled one by one."""
    shares = torch.zeros_like(logits)
    for place in torch.cartesian_prod(*[torch.arange(n) for n in indices.shape]).view(-1, indices.ndim).tolist():
        shares[(place[0], int(indices[tuple(place)]), *place[1:])] = 1
    return shares


def soft(logits: Tensor) -> Tensor:
    """Return shares that sum to one, none of them zero."""
    return normal(*logits.shape, seed=5).softmax(1)


def over_classes(term: Tensor) -> float:
    """Return the sum over the classes, averaged over the rest, with plain numbers."""
    rows = term.movedim(1, -1).flatten(0, -2).tolist()
    return math.fsum(math.fsum(row) for row in rows) / len(rows)


def test_shares_that_are_one_hot_are_the_indices() -> None:
    for name, params in [("cross_entropy", {}), ("kl", {}), ("focal", {}), ("mse", {}), ("mse", {"on": "logits"})]:
        for task, logits, indices in [
            (Task.classification, LOGITS, INDICES),
            (Task.segmentation, PIXEL_LOGITS, PIXEL_INDICES),
        ]:
            by_index = value(name, logits, indices, task, **params)
            by_share = value(name, logits, one_hot(indices, logits), task, **params)
            torch.testing.assert_close(by_index, by_share, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("logits", [LOGITS, PIXEL_LOGITS], ids=["examples", "pixels"])
def test_shares_of_classes_follow_the_formulas(logits: Tensor) -> None:
    task = Task.classification if logits.ndim == 2 else Task.segmentation
    p, t = logits.softmax(1), soft(logits)
    formulas = {
        "cross_entropy": -t * p.log(),
        "auto": -t * p.log(),
        "kl": t * (t / p).log(),
        "focal": -t * (1 - p) ** 2 * p.log(),
        "mse": (p - t) ** 2 / logits.shape[1],
    }
    for name, term in formulas.items():
        assert value(name, logits, t, task).item() == pytest.approx(over_classes(term), rel=1e-12)
    on_logits = value("mse", logits, t, task, on="logits").item()
    assert on_logits == pytest.approx(over_classes((logits - t) ** 2 / logits.shape[1]), rel=1e-12)


def test_kl_has_the_value_of_cross_entropy_for_indices_and_its_gradient_always() -> None:
    assert torch.equal(value("kl", LOGITS, INDICES), value("cross_entropy", LOGITS, INDICES))
    gradients = []
    for name in ("kl", "cross_entropy"):
        logits = LOGITS.clone().requires_grad_()
        value(name, logits, soft(LOGITS)).backward()
        assert logits.grad is not None
        gradients.append(logits.grad)
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-15)


def test_kl_is_zero_where_the_prediction_is_the_target() -> None:
    assert value("kl", LOGITS, LOGITS.softmax(1)).item() == pytest.approx(0, abs=1e-12)
    zeros = torch.tensor([[1.0, 0.0]], dtype=torch.float64)  # 0 log 0 is 0
    assert value("kl", torch.zeros(1, 2, dtype=torch.float64), zeros).item() == pytest.approx(math.log(2), rel=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_weighs_by_what_is_missing(gamma: float) -> None:
    terms = []
    for row, index in zip(LOGITS.softmax(1).tolist(), INDICES.tolist(), strict=True):
        terms.append(-((1 - row[index]) ** gamma) * math.log(row[index]))
    assert value("focal", LOGITS, INDICES, gamma=gamma).item() == pytest.approx(sum(terms) / 6, rel=1e-12)


def test_focal_without_gamma_is_cross_entropy() -> None:
    torch.testing.assert_close(value("focal", LOGITS, INDICES, gamma=0.0), value("cross_entropy", LOGITS, INDICES))


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 2.0])
def test_focal_learns_nothing_from_what_is_surely_right(gamma: float) -> None:
    logits = torch.tensor([[60.0, 0.0], [0.0, 200.0]], requires_grad=True)
    loss = value("focal", logits, torch.tensor([0, 1]), gamma=gamma)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6


@pytest.mark.parametrize("over", ["worst", "all"])
def test_hinge_asks_for_a_margin_of_one(over: str) -> None:
    logits = 3 * LOGITS
    logits[1, INDICES[1]] += 50  # one that has the margin
    terms = []
    for row, index in zip(logits.tolist(), INDICES.tolist(), strict=True):
        missing = [max(0.0, 1 + z - row[index]) for j, z in enumerate(row) if j != index]
        terms.append(max(missing) if over == "worst" else sum(missing) / len(row))
    assert terms[1] == 0 < min(terms[:1] + terms[2:])
    loss = value("hinge", logits, INDICES, over=over)
    assert loss.item() == pytest.approx(sum(terms) / 6, rel=1e-12)


def test_hinge_refuses_shares_and_names_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"mixed or smoothed.*loss=cross_entropy"):
        value("hinge", LOGITS, soft(LOGITS))


@pytest.mark.parametrize("smooth", [1.0, 1e-3])
@pytest.mark.parametrize("shares", [False, True])
def test_dice_is_one_less_the_overlap_of_each_class(smooth: float, shares: bool) -> None:
    target = soft(PIXEL_LOGITS) if shares else one_hot(PIXEL_INDICES, PIXEL_LOGITS)
    p = PIXEL_LOGITS.softmax(1)
    overlaps = []
    for c in range(3):
        mine, theirs = p[:, c].flatten().tolist(), target[:, c].flatten().tolist()
        both = math.fsum(a * b for a, b in zip(mine, theirs, strict=True))
        overlaps.append((2 * both + smooth) / (math.fsum(mine) + math.fsum(theirs) + smooth))
    given = target if shares else PIXEL_INDICES
    loss = value("dice", PIXEL_LOGITS, given, Task.segmentation, smooth=smooth)
    assert loss.item() == pytest.approx(1 - sum(overlaps) / 3, rel=1e-12)


def test_dice_of_a_perfect_prediction_is_zero_even_for_classes_that_are_not_there() -> None:
    logits = 1000 * one_hot(PIXEL_INDICES % 2, PIXEL_LOGITS)  # the third class appears nowhere
    assert value("dice", logits, PIXEL_INDICES % 2, Task.segmentation).item() == pytest.approx(0, abs=1e-12)


def test_mae_is_the_mean_of_absolute_errors() -> None:
    prediction, target = normal(5, 2), normal(5, 2, seed=1)
    errors = [abs(e) for e in (prediction - target).flatten().tolist()]
    loss = value("mae", prediction, target, Task.regression)
    assert loss.item() == pytest.approx(sum(errors) / 10, rel=1e-12)


@pytest.mark.parametrize("delta", [0.5, 1.0, 100.0])
def test_huber_is_square_near_and_straight_far(delta: float) -> None:
    prediction, target = normal(5, 2), normal(5, 2, seed=1)
    errors = [abs(e) for e in (prediction - target).flatten().tolist()]
    terms = [e**2 / 2 if e <= delta else delta * (e - delta / 2) for e in errors]
    loss = value("huber", prediction, target, Task.regression, delta=delta)
    assert loss.item() == pytest.approx(sum(terms) / 10, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "params", "reason"),
    [
        ("focal", {"gamma": -0.1}, "gamma must not be negative"),
        ("focal", {"gamma": math.nan}, "gamma must not be negative"),
        ("huber", {"delta": 0.0}, "delta must be positive"),
        ("dice", {"smooth": 0.0}, "smooth must be positive"),
        ("hinge", {"over": "sum"}, "worst, all"),
    ],
)
def test_bad_parameters_are_refused(name: str, params: dict[str, object], reason: str) -> None:
    assert reason in refusal(Loss, name, **params)
