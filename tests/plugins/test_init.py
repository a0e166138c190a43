from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ablate.kit import GatedLinear, initialize
from ablate.techniques import Init
from tests.helpers import generator, make, refusal

FAN_IN, FAN_OUT = 60, 240
GAIN_OF = {
    **dict.fromkeys(("none", "linear", "sigmoid"), 1.0),
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "leaky_relu": math.sqrt(2 / 1.0001),
    "selu": 3 / 4,
}
FANS = {"fan_in": 60.0, "fan_out": 240.0, "fan_avg": 150.0}
OWN_GAIN = {"xavier": 1.0, "he": math.sqrt(2)}
SCALED = {"lecun": "fan_in", "glorot": "fan_avg"}
DRAWN = ["xavier", "he", "orthogonal", "normal", "uniform", "truncated_normal", "lecun", "glorot", "identity"]


def filled(name: str, *shape: int, seed: int = 0, **params: Any) -> Tensor:
    # The fans are given apart from the shape, so that a technique cannot guess them from it.
    weight = torch.full(shape or (400, 300), torch.nan, dtype=torch.float64)
    make(Init, name, **params).fill(weight, FAN_IN, FAN_OUT, generator(seed))
    return weight


def check_distribution(weight: Tensor, distribution: str, std: float) -> None:
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


@pytest.mark.parametrize("gain", [1.0, 0.5])
@pytest.mark.parametrize("mode", FANS)
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
@pytest.mark.parametrize("name", OWN_GAIN)
def test_variance_is_gain_squared_over_fan(name: str, distribution: str, mode: str, gain: float) -> None:
    weight = filled(name, mode=mode, distribution=distribution, gain=gain)
    check_distribution(weight, distribution, gain * OWN_GAIN[name] / math.sqrt(FANS[mode]))


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
@pytest.mark.parametrize("name", SCALED)
def test_variance_of_lecun_and_glorot(name: str, distribution: str) -> None:
    weight = filled(name, distribution=distribution, gain=3.0)
    check_distribution(weight, distribution, 3 / math.sqrt(FANS[SCALED[name]]))


@pytest.mark.parametrize("gain_of", GAIN_OF)
@pytest.mark.parametrize("name", [*OWN_GAIN, *SCALED])
def test_gain_and_that_of_the_activation_multiply(name: str, gain_of: str) -> None:
    actual = filled(name, 8, 5, gain=0.5, gain_of=gain_of)
    expected = 0.5 * GAIN_OF[gain_of] * filled(name, 8, 5, gain_of="none")
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("name", "spelled_out"),
    [
        ("xavier", ("xavier", {"gain": 1.0, "gain_of": "none", "mode": "fan_in", "distribution": "normal"})),
        ("he", ("xavier", {"gain": 1.0, "gain_of": "relu"})),
        ("lecun", ("xavier", {})),
        ("glorot", ("xavier", {"mode": "fan_avg", "distribution": "uniform"})),
        ("normal", ("normal", {"std": 0.01})),
        ("uniform", ("uniform", {"bound": 0.05})),
        ("truncated_normal", ("truncated_normal", {"std": 0.02})),
        ("identity", ("identity", {"gain": 1.0, "std": 0.001})),
    ],
)
def test_the_defaults(name: str, spelled_out: tuple[str, dict[str, Any]]) -> None:
    other, params = spelled_out
    for shape in ((4, 4), (4, 6)):
        assert torch.equal(filled(name, *shape), filled(other, *shape, **params))


def test_he_keeps_the_power_of_a_signal_through_relu() -> None:
    weight = torch.empty(500, 400, dtype=torch.float64)
    make(Init, "he").fill(weight, 400, 500, generator(1))
    x = torch.randn(400, 200, dtype=torch.float64, generator=generator(2)).relu()
    power_in, power_out = x.square().mean(), (weight @ x).relu().square().mean()
    assert power_out.item() == pytest.approx(power_in.item(), rel=0.05)


def test_zeros() -> None:
    assert torch.equal(filled("zeros"), torch.zeros(400, 300, dtype=torch.float64))


def test_constant() -> None:
    assert torch.equal(filled("constant", value=-0.3), torch.full((400, 300), -0.3, dtype=torch.float64))


@pytest.mark.parametrize("scale", [0.02, 2.0])
def test_fixed_scales_know_no_fan(scale: float) -> None:
    check_distribution(filled("normal", std=scale), "normal", scale)
    check_distribution(filled("uniform", bound=scale), "uniform", scale / math.sqrt(3))


@pytest.mark.parametrize("std", [0.02, 2.0])
def test_truncated_normal_is_cut_at_two_standard_deviations(std: float) -> None:
    weight = filled("truncated_normal", std=std) / std
    assert 1.999 < weight.abs().max().item() <= 2
    inside = math.erf(2 / math.sqrt(2))  # of the whole normal distribution
    variance = 1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / inside
    assert weight.std().item() == pytest.approx(math.sqrt(variance), rel=0.01)
    assert math.sqrt(variance) == pytest.approx(0.88, abs=0.001)
    within_one = (weight.abs() < 1).double().mean().item()
    assert within_one == pytest.approx(math.erf(1 / math.sqrt(2)) / inside, abs=0.01)


def test_identity_of_square_matrices_and_a_normal_of_the_rest() -> None:
    assert torch.equal(filled("identity", 5, 5, gain=0.5), 0.5 * torch.eye(5, dtype=torch.float64))
    for shape in ((400, 300), (60, 60, 5, 5)):
        check_distribution(filled("identity", *shape, std=0.1), "normal", 0.1)


@pytest.mark.parametrize(("gain", "gain_of"), [(1.0, "none"), (2.5, "none"), (2.0, "tanh")])
@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 5), (4, 3, 2, 2), (20, 2, 3, 3)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...], gain: float, gain_of: str) -> None:
    matrix = filled("orthogonal", *shape, gain=gain, gain_of=gain_of).flatten(1)
    rows, columns = matrix.shape
    product = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    torch.testing.assert_close(
        product, (gain * GAIN_OF[gain_of]) ** 2 * torch.eye(min(rows, columns), dtype=torch.float64)
    )


@pytest.mark.parametrize("name", DRAWN)
def test_the_generator_alone_decides(name: str) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = filled(name, 6, 7, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(filled(name, 6, 7, seed=3), first)
    assert not torch.equal(filled(name, 6, 7, seed=4), first)


LAYERS: dict[str, tuple[Callable[[], nn.Module], int, int]] = {
    "widening": (lambda: nn.Linear(100, 400), 100, 400),
    "convolution": (lambda: nn.Conv2d(20, 60, 3), 180, 540),
    "strided convolution": (lambda: nn.Conv2d(20, 60, 4, stride=2), 320, 240),
    "transposed convolution": (lambda: nn.ConvTranspose2d(60, 40, 4, stride=2), 240, 640),
    "gates": (lambda: GatedLinear(100, 200, gates=4), 100, 200),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("name", "gain", "mode"),
    [("he", 2**0.5, "fan_in"), ("xavier", 1, "fan_in"), ("lecun", 1, "fan_in"), ("glorot", 1, "fan_avg")],
)
def test_layers_are_filled_by_their_fans(name: str, gain: float, mode: str, layer: str) -> None:
    make_layer, fan_in, fan_out = LAYERS[layer]
    module = make_layer()
    initialize(module, make(Init, name), seed=0)
    blocks = module.weight.chunk(4) if isinstance(module, GatedLinear) else [module.get_parameter("weight")]
    fan = fan_in if mode == "fan_in" else (fan_in + fan_out) / 2
    for block in blocks:
        assert block.std().item() == pytest.approx(gain / math.sqrt(fan), rel=0.03)


def test_each_gate_of_a_recurrent_matrix_is_the_identity() -> None:
    layer = GatedLinear(6, 6, gates=4)
    initialize(layer, make(Init, "identity", gain=2.0), seed=0)
    assert torch.equal(layer.weight.detach(), 2 * torch.eye(6).repeat(4, 1))


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        *[(name, "gain") for name in (*OWN_GAIN, *SCALED, "orthogonal", "identity")],
        *[(name, "std") for name in ("normal", "truncated_normal", "identity")],
        ("uniform", "bound"),
    ],
)
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_a_scale_that_is_not_positive_is_refused(name: str, parameter: str, value: float) -> None:
    assert f"{parameter} must be positive" in refusal(Init, name, **{parameter: value})


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_constant_that_is_not_finite_is_refused(value: float) -> None:
    assert "value must be finite" in refusal(Init, "constant", value=value)


@pytest.mark.parametrize(
    ("params", "choices"),
    [({"mode": "mean"}, FANS), ({"distribution": "cauchy"}, ["uniform"]), ({"gain_of": "gelu"}, GAIN_OF)],
)
def test_an_unknown_choice_is_refused_with_the_choices(params: dict[str, str], choices: Iterable[str]) -> None:
    reason = refusal(Init, "xavier", **params)
    assert all(choice in reason for choice in choices)
