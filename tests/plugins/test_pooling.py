from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ablate.techniques import Pool
from tests.helpers import make, normal, refusal

SHAPES = {1: (2, 3, 9), 2: (2, 3, 9, 7)}  # by the number of spatial dims
WINDOWS: list[dict[str, int]] = [{}, {"size": 3}, {"size": 3, "stride": 2}, {"size": 2, "stride": 3}, {"size": 1}]


def windows(x: Tensor, size: int, stride: int) -> Tensor:
    """Return (B, C, *S', window), every window laid out flat."""
    for d in range(2, x.ndim):
        x = x.unfold(d, size, stride)
    return x.flatten(2 + (x.ndim - 2) // 2)


@pytest.mark.parametrize("params", WINDOWS)
@pytest.mark.parametrize("spatial", SHAPES)
@pytest.mark.parametrize("name", ["max", "avg"])
def test_value_of_each_window(name: str, spatial: int, params: dict[str, int]) -> None:
    x = normal(*SHAPES[spatial])
    size = params.get("size", 2)
    view = windows(x, size, params.get("stride", size))
    expected = view.amax(-1) if name == "max" else view.sum(-1) / size**spatial
    actual = make(Pool, name, **params).build(3, spatial)(x)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


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


@pytest.mark.parametrize("name", ["max", "avg"])
@pytest.mark.parametrize("parameter", ["size", "stride"])
@pytest.mark.parametrize("value", [0, -1])
def test_windows_without_size_are_refused(name: str, parameter: str, value: int) -> None:
    assert f"{parameter} must be at least 1" in refusal(Pool, name, **{parameter: value})
