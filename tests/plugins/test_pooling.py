from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import initialize
from ablate.techniques import Init, Model, Pool
from tests.helpers import classes, make, make_kit, normal, pixels, refusal

SHAPES = {1: (2, 3, 9), 2: (2, 3, 9, 7)}  # by the number of spatial dims
WINDOWS: list[dict[str, int]] = [{}, {"size": 3}, {"size": 3, "stride": 2}, {"size": 2, "stride": 3}, {"size": 1}]


def windows(x: Tensor, size: int, stride: int) -> Tensor:
    """Return (B, C, *S', window), every window laid out flat."""
    for d in range(2, x.ndim):
        x = x.unfold(d, size, stride)
    return x.flatten(2 + (x.ndim - 2) // 2)


def size_and_stride(params: dict[str, int]) -> tuple[int, int]:
    size = params.get("size", 2)
    return size, params.get("stride", size)


@pytest.mark.parametrize("params", [*WINDOWS, {"padding": 1}, {"size": 5, "stride": 2, "padding": 2}])
@pytest.mark.parametrize("spatial", SHAPES)
@pytest.mark.parametrize("name", ["max", "avg"])
def test_value_of_each_window(name: str, spatial: int, params: dict[str, int]) -> None:
    x = normal(*SHAPES[spatial]) - 5  # below zero: a padding of zeros would be the largest

    def view(values: Tensor, outside: float) -> Tensor:
        padded = F.pad(values, [params.get("padding", 0)] * 2 * spatial, value=outside)
        return windows(padded, *size_and_stride(params))

    if name == "max":
        expected = view(x, -math.inf).amax(-1)
    else:
        expected = view(x, 0).sum(-1) / view(torch.ones_like(x), 0).sum(-1)
    actual = make(Pool, name, **params).build(3, spatial)(x)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("p", [1.0, 2.0, 2.5, 3.0])
@pytest.mark.parametrize("params", WINDOWS)
@pytest.mark.parametrize("spatial", SHAPES)
def test_lp_is_the_norm_of_each_window(spatial: int, params: dict[str, int], p: float) -> None:
    x = normal(*SHAPES[spatial])
    expected = windows(x, *size_and_stride(params)).abs().pow(p).sum(-1).pow(1 / p)
    actual = make(Pool, "lp", **params, p=p).build(3, spatial)(x)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_lp_is_that_of_torch_where_torch_gives_numbers() -> None:
    x = normal(2, 3, 8, 6)
    for p, values in ((2.0, x), (3.0, x.abs())):
        assert torch.equal(make(Pool, "lp", p=p).build(3, 2)(values), nn.LPPool2d(p, 2)(values))
    assert nn.LPPool2d(3.0, 2)(x).isnan().any()


def test_gradient_of_lp_is_zero_in_a_window_of_zeros() -> None:
    x = torch.tensor([[[3.0, -4.0, 0.0, 0.0]]], requires_grad=True)
    make(Pool, "lp").build(1, 1)(x).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.tensor([[[0.6, -0.8, 0.0, 0.0]]]))


@pytest.mark.parametrize("params", WINDOWS)
@pytest.mark.parametrize("spatial", SHAPES)
def test_stride_is_a_convolution_of_all_channels_that_the_kit_fills(spatial: int, params: dict[str, int]) -> None:
    layer = make(Pool, "stride", **params).build(3, spatial).double()
    initialize(layer, make(Init, "normal", std=1.0), seed=0)
    x = normal(*SHAPES[spatial])
    view = windows(x, *size_and_stride(params))  # (B, C, *S', window)
    weight = layer.get_parameter("weight").flatten(2)  # (out, C, window)
    assert weight.std().item() > 0.7
    expected = torch.einsum("bc...w,ocw->bo...", view, weight)
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("params", WINDOWS)
@pytest.mark.parametrize("spatial", SHAPES)
def test_blur_is_a_maximum_everywhere_and_then_a_binomial_blur(spatial: int, params: dict[str, int]) -> None:
    size, stride = size_and_stride(params)
    x = normal(*SHAPES[spatial])
    layer = make(Pool, "blur", **params).build(3, spatial).double()
    assert not list(layer.parameters())
    assert not layer.state_dict()
    out = windows(x, size, 1).amax(-1)
    out = windows(F.pad(out, [1, 1] * spatial, mode="reflect"), 3, stride)
    row = torch.tensor([1.0, 2, 1], dtype=torch.float64) / 4
    expected = out @ (row if spatial == 1 else torch.outer(row, row).flatten())
    torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-12)
    assert layer(x).shape == make(Pool, "max", **params).build(3, spatial)(x).shape


def test_blur_keeps_a_constant_and_answers_shifts_little_by_little() -> None:
    x = torch.full((1, 1, 16), 3.0)
    layer = make(Pool, "blur").build(1, 1)
    assert torch.equal(layer(x), torch.full((1, 1, 8), 3.0))
    x[..., 8] = 7.0
    for name, jump in (("max", 4.0), ("blur", 2.0)):
        pool = make(Pool, name).build(1, 1)
        assert (pool(x) - pool(x.roll(-1, -1))).abs().max().item() == jump


@pytest.mark.parametrize("spatial", SHAPES)
def test_global_pools_leave_one_value_a_channel(spatial: int) -> None:
    x = normal(*SHAPES[spatial])
    for name, expected in (("global_max", x.flatten(2).amax(-1)), ("global_avg", x.flatten(2).mean(-1))):
        layer = make(Pool, name).build(3, spatial)
        out = layer(x)
        assert out.shape == (2, 3, *[1] * spatial)
        torch.testing.assert_close(out.flatten(1), expected, rtol=0, atol=1e-12)
        assert torch.equal(layer(out), out)


@pytest.mark.parametrize("spatial", SHAPES)
@pytest.mark.parametrize("name", ["max", "avg", "lp", "stride", "blur", "global_max", "global_avg"])
def test_half_precision_stays(name: str, spatial: int) -> None:
    x = normal(*SHAPES[spatial]).bfloat16()
    assert make(Pool, name).build(3, spatial).bfloat16()(x).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["max", "avg", "lp", "stride", "blur"])
def test_every_window_serves_a_segmentation(name: str) -> None:
    net = make(Model, "fcn", channels=[2, 3]).build(make_kit(pool=name), pixels(1, 13, 18))
    assert net(torch.zeros(2, 1, 13, 18)).shape == (2, 3, 13, 18)


@pytest.mark.parametrize("name", ["global_max", "global_avg"])
def test_global_pools_serve_a_classification_alone(name: str) -> None:
    net = make(Model, "cnn", channels=[2, 3]).build(make_kit(pool=name), classes(1, 8, 8))
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    with pytest.raises(ValueError, match=r"leaves one pixel.*no way back.*pool=max"):
        make(Model, "fcn").build(make_kit(pool=name), pixels(1, 8, 8))


@pytest.mark.parametrize("spatial", SHAPES)
def test_none_changes_nothing(spatial: int) -> None:
    x = normal(*SHAPES[spatial])
    assert torch.equal(make(Pool, "none").build(3, spatial)(x), x)


def gradient(name: str, x: Tensor, upstream: Tensor, **params: int) -> Tensor:
    leaf = x.clone().requires_grad_()
    make(Pool, name, **params).build(x.shape[1], 2)(leaf).backward(upstream)
    assert leaf.grad is not None
    return leaf.grad


def test_gradient_of_max_goes_to_the_largest_alone() -> None:
    x = torch.tensor([[1.0, 2, 8, 7], [4, 3, 5, 6]]).view(1, 1, 2, 4)
    grad = gradient("max", x, torch.tensor([10.0, 20]).view(1, 1, 1, 2))
    assert grad[0, 0].tolist() == [[0, 0, 20, 0], [10, 0, 0, 0]]


def test_gradient_of_avg_is_spread_evenly() -> None:
    x = torch.tensor([[1.0, 2, 8, 7], [4, 3, 5, 6]]).view(1, 1, 2, 4)
    grad = gradient("avg", x, torch.tensor([10.0, 20]).view(1, 1, 1, 2))
    assert grad[0, 0].tolist() == [[2.5, 2.5, 5, 5], [2.5, 2.5, 5, 5]]


def test_gradients_of_overlapping_windows_add_up() -> None:
    x = torch.tensor([[1.0, 9, 2], [3, 4, 5]]).view(1, 1, 2, 3)
    upstream = torch.tensor([10.0, 20]).view(1, 1, 1, 2)
    assert gradient("max", x, upstream, stride=1)[0, 0].tolist() == [[0, 30, 0], [0, 0, 0]]
    assert gradient("avg", x, upstream, stride=1)[0, 0].tolist() == [[2.5, 7.5, 5], [2.5, 7.5, 5]]


@pytest.mark.parametrize("name", ["max", "avg", "lp", "stride", "blur"])
@pytest.mark.parametrize("parameter", ["size", "stride"])
@pytest.mark.parametrize("value", [0, -1])
def test_windows_without_size_are_refused(name: str, parameter: str, value: int) -> None:
    assert f"{parameter} must be at least 1" in refusal(Pool, name, **{parameter: value})


@pytest.mark.parametrize("name", ["max", "avg"])
def test_a_padding_of_more_than_half_a_window_is_refused(name: str) -> None:
    assert "padding must be at least 0" in refusal(Pool, name, padding=-1)
    assert "padding must be at most half of size=3" in refusal(Pool, name, size=3, padding=2)


@pytest.mark.parametrize("p", [0.5, -1.0, math.inf, math.nan])
def test_a_p_that_makes_no_norm_is_refused(p: float) -> None:
    assert "p must be at least 1" in refusal(Pool, "lp", p=p)
