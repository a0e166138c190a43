from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ablate.kit import GatedLinear
from ablate.techniques import Regularizer
from tests.helpers import classes, generator, make, normal, refusal


@pytest.fixture
def net() -> nn.Module:
    """Every layer with weights that count, and two whose weights do not: normalisation and embedding."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 4),
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)),
        nn.ConvTranspose2d(2, 2, 2, bias=False),
        GatedLinear(3, 2, gates=4),
        nn.Embedding(5, 2),
    ).double()


def layers(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]


def penalised(net: nn.Module, bias: bool) -> list[Tensor]:
    named = [parameter for layer in layers(net) for parameter in layer.named_parameters()]
    return [p for name, p in named if bias or name == "weight"]


def value(reg: Regularizer, net: nn.Module) -> Tensor:
    penalty = reg.penalty(net)
    assert penalty is not None
    return penalty


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("name", "power"), [("l1", 1), ("l2", 2)])
def test_penalty_is_weight_times_the_sum(net: nn.Module, name: str, power: int, bias: bool) -> None:
    total = sum(abs(w) ** power for p in penalised(net, bias) for w in p.flatten().tolist())
    penalty = value(make(Regularizer, name, weight=0.03, bias=bias), net)
    assert penalty.shape == ()
    assert penalty.item() == pytest.approx(0.03 * total, rel=1e-12)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", ["l1", "l2"])
def test_gradient_of_the_penalty(net: nn.Module, name: str, bias: bool) -> None:
    value(make(Regularizer, name, weight=0.03, bias=bias), net).backward()
    expected = penalised(net, bias)
    assert len(expected) == (7 if bias else 4)
    for parameter in net.parameters():
        if not any(parameter is p for p in expected):
            assert parameter.grad is None
            continue
        slope = 0.03 * parameter.sign() if name == "l1" else 2 * 0.03 * parameter
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, slope.detach(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_biases_are_left_out_unless_asked_for(net: nn.Module, name: str) -> None:
    with torch.no_grad():
        for layer in layers(net):
            assert isinstance(layer.weight, Tensor)
            layer.weight.zero_()
    assert value(make(Regularizer, name), net).item() == 0
    assert value(make(Regularizer, name, bias=True), net).item() > 0


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_no_weights_no_penalty(name: str) -> None:
    assert make(Regularizer, name).penalty(nn.ReLU()) is None


@pytest.mark.parametrize("shape", [(200, 50), (20, 50, 4, 5)])
@pytest.mark.parametrize("p", [0.2, 0.5])
def test_dropout_zeroes_a_share_and_rescales_the_rest(p: float, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = normal(*shape)
    layer = make(Regularizer, "dropout", p=p).layer(50, len(shape) - 2)
    assert layer is not None
    out = layer(x)
    kept = out != 0
    torch.testing.assert_close(out[kept], x[kept] / (1 - p), rtol=1e-12, atol=0)
    spread = math.sqrt(p * (1 - p) / x.numel())
    assert kept.double().mean().item() == pytest.approx(1 - p, abs=5 * spread)
    assert not torch.equal(layer(x), out)  # every pass draws anew
    assert torch.equal(layer.eval()(x), x)


def test_dropout_of_nothing_is_the_identity() -> None:
    layer = make(Regularizer, "dropout", p=0.0).layer(5, 0)
    assert layer is not None
    x = normal(4, 5)
    assert torch.equal(layer(x), x)


@pytest.mark.parametrize(
    ("name", "layer", "penalty"),
    [("none", False, False), ("l1", False, True), ("l2", False, True), ("dropout", True, False)],
)
def test_a_regularizer_acts_in_its_own_way_only(net: nn.Module, name: str, layer: bool, penalty: bool) -> None:
    reg = make(Regularizer, name)
    assert (reg.layer(5, 0) is not None) is layer
    assert (reg.penalty(net) is not None) is penalty
    assert reg.callbacks("val/acc", True) == []
    x, y = normal(4, 5), torch.arange(4)
    new_x, new_y = reg.transform(x, y, classes(5), generator())
    assert torch.equal(new_x, x)
    assert torch.equal(new_y, y)


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("l1", "weight", -1e-9),
        ("l2", "weight", -1.0),
        ("l1", "weight", math.nan),
        ("l2", "weight", math.inf),
        *[("dropout", "p", value) for value in (-0.1, 1.0, 1.5, math.nan)],
    ],
)
def test_values_out_of_range_are_refused(name: str, parameter: str, value: float) -> None:
    assert f"{parameter} must" in refusal(Regularizer, name, **{parameter: value})
