from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from ablate.techniques import Norm
from tests.helpers import make, normal, refusal

SHAPES = {0: (6, 5), 1: (6, 5, 4), 2: (6, 5, 3, 4)}  # by the number of spatial dims; 5 features


def built(name: str, spatial: int, **params: float) -> nn.Module:
    return make(Norm, name, **params).build(5, spatial).double()


def per_feature(values: Tensor, spatial: int) -> Tensor:
    return values.view(1, 5, *[1] * spatial)


def standardised(x: Tensor, dims: list[int], eps: float) -> Tensor:
    mean = x.mean(dims, keepdim=True)
    variance = (x - mean).square().mean(dims, keepdim=True)
    return (x - mean) / (variance + eps).sqrt()


def batch_dims(x: Tensor) -> list[int]:
    return [d for d in range(x.ndim) if d != 1]


def randomise(layer: nn.Module, spatial: int) -> tuple[Tensor, Tensor]:
    """Give scale and shift values of their own and return them, ready to broadcast."""
    scale, shift = normal(5, seed=7), normal(5, seed=8)
    values = {"weight": scale, "bias": shift}
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            parameter.copy_(values.pop(name))
    assert not values
    return per_feature(scale, spatial), per_feature(shift, spatial)


@pytest.mark.parametrize("spatial", SHAPES)
def test_none_changes_nothing(spatial: int) -> None:
    x = normal(*SHAPES[spatial])
    layer = built("none", spatial)
    assert torch.equal(layer(x), x)
    assert not list(layer.parameters())


@pytest.mark.parametrize("eps", [1e-5, 0.5])
@pytest.mark.parametrize("spatial", SHAPES)
def test_batch_norm_standardises_each_feature_over_the_batch(spatial: int, eps: float) -> None:
    x = 3 + 2 * normal(*SHAPES[spatial])
    layer = built("bn", spatial, eps=eps)
    expected = standardised(x, batch_dims(x), eps)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    scale, shift = randomise(layer, spatial)
    torch.testing.assert_close(layer(x), scale * expected + shift, rtol=0, atol=1e-12)


@pytest.mark.parametrize("momentum", [0.1, 0.3, 1.0])
@pytest.mark.parametrize("spatial", SHAPES)
def test_batch_norm_evaluates_with_running_statistics(spatial: int, momentum: float) -> None:
    layer = built("bn", spatial, momentum=momentum)
    mean, variance = torch.zeros(5, dtype=torch.float64), torch.ones(5, dtype=torch.float64)
    for seed in range(3):
        x = seed + (1 + seed) * normal(*SHAPES[spatial], seed=seed)
        layer(x)
        dims = batch_dims(x)
        mean = (1 - momentum) * mean + momentum * x.mean(dims)
        # Training divides by n, the running statistic takes the unbiased estimate with n - 1.
        variance = (1 - momentum) * variance + momentum * x.var(dims, correction=1)
    x = normal(*SHAPES[spatial], seed=9)
    scale, shift = randomise(layer, spatial)
    expected = (x - per_feature(mean, spatial)) / (per_feature(variance, spatial) + 1e-5).sqrt() * scale + shift
    layer.eval()
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)  # evaluation moves no statistic


@pytest.mark.parametrize("eps", [1e-5, 0.5])
@pytest.mark.parametrize("spatial", SHAPES)
def test_layer_norm_standardises_each_example(spatial: int, eps: float) -> None:
    x = 3 + 2 * normal(*SHAPES[spatial])
    layer = built("ln", spatial, eps=eps)
    expected = standardised(x, list(range(1, x.ndim)), eps)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    scale, shift = randomise(layer, spatial)
    torch.testing.assert_close(layer(x), scale * expected + shift, rtol=0, atol=1e-12)
    torch.testing.assert_close(layer.eval()(x), scale * expected + shift, rtol=0, atol=1e-12)


def test_layer_norm_of_a_table_is_torchs() -> None:
    x, reference = normal(6, 5), nn.LayerNorm(5).double()
    torch.testing.assert_close(built("ln", 0)(x), reference(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("name", "same"), [("bn", False), ("ln", True)])
def test_only_batch_norm_mixes_examples(name: str, same: bool) -> None:
    x, layer = normal(6, 5), built(name, 0)
    alone = layer(x[:3])
    assert torch.allclose(layer(x)[:3], alone, rtol=0, atol=1e-12) is same


@pytest.mark.parametrize("name", ["bn", "ln"])
def test_constant_input_gives_zeros(name: str) -> None:
    x = torch.full((6, 5), 4.0, dtype=torch.float64)
    assert torch.equal(built(name, 0)(x), torch.zeros_like(x))


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        *[(name, "eps", value) for name in ("bn", "ln") for value in (0.0, -1e-5, math.nan)],
        *[("bn", "momentum", value) for value in (0.0, -0.1, 1.1, math.nan)],
    ],
)
def test_values_out_of_range_are_refused(name: str, parameter: str, value: float) -> None:
    assert f"{parameter} must be" in refusal(Norm, name, **{parameter: value})
