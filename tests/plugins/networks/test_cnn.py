from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import initialize
from ablate.techniques import Init, Model, Pool
from tests.helpers import classes, make, make_kit, normal


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    return [m for m in net.modules() if isinstance(m, nn.Conv2d)]


def head(net: nn.Module) -> nn.Linear:
    (layer,) = (m for m in net.modules() if isinstance(m, nn.Linear))
    return layer


def built(shape: tuple[int, int, int], pool: str | Pool = "none", **params: Any) -> nn.Module:
    net = make(Model, "cnn", **params).build(make_kit(act="tanh", norm="ln", pool=pool), classes(*shape))
    initialize(net, make(Init, "he"), seed=1)
    return net.double()


def by_hand(net: nn.Module, x: Tensor, stages: int, residual: bool, gap: bool) -> Tensor:
    """Walk through stages of ``len(convolutions) / stages`` convolutions, a pooling of 2 after each stage."""
    every = convolutions(net)
    convs = len(every) // stages
    for n, conv in enumerate(every):
        if n % convs == 0:  # the first of a stage changes the number of channels: never residual
            x = conv(x)
        else:
            branch = conv(F.layer_norm(x, x.shape[1:]).tanh())
            x = x + branch if residual else branch
        if n % convs == convs - 1:
            x = F.max_pool2d(F.layer_norm(x, x.shape[1:]).tanh(), 2)
    out: Tensor = head(net)(x.mean((2, 3)) if gap else x.flatten(1))
    return out


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("channels", "convs"), [([4], 1), ([4], 3), ([4, 6], 2), ([2, 3, 4], 1)])
def test_prediction_follows_the_formula(channels: list[int], convs: int, residual: bool, gap: bool) -> None:
    params = {"channels": channels, "convs": convs, "residual": residual, "head": "gap" if gap else "fc"}
    net = built((2, 9, 11), pool="max", **params)
    assert len(convolutions(net)) == convs * len(channels)
    x = normal(3, 2, 9, 11)
    torch.testing.assert_close(net(x), by_hand(net, x, len(channels), residual, gap), rtol=0, atol=1e-12)


def sizes(size: int, convs: int, kernel_size: int, stride: int, padding: int, dilation: int, pool: int) -> int:
    """Return one side of the map after one stage."""
    for n in range(convs):
        size = (size + 2 * padding - dilation * (kernel_size - 1) - 1) // (stride if n == 0 else 1) + 1
    return size // pool


@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize("convs", [1, 2])
@pytest.mark.parametrize(
    ("kernel_size", "stride", "padding", "dilation"),
    [(3, 1, None, 1), (3, 1, 0, 1), (3, 2, None, 1), (5, 3, 2, 1), (3, 1, None, 2), (3, 2, 0, 2), (2, 1, 1, 1)],
)
def test_size_of_the_maps(
    kernel_size: int, stride: int, padding: int | None, dilation: int, convs: int, pool: int
) -> None:
    params = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation, "convs": convs}
    pooling = make(Pool, "avg", size=pool)
    filled = dilation * (kernel_size - 1) // 2 if padding is None else padding
    height, width = (sizes(side, convs, kernel_size, stride, filled, dilation, pool) for side in (21, 18))
    net = built((1, 21, 18), pool=pooling, channels=[5], **params)
    assert head(net).in_features == 5 * height * width
    assert net(normal(2, 1, 21, 18)).shape == (2, 3)
    averaged = built((1, 21, 18), pool=pooling, channels=[5], head="gap", **params)
    assert head(averaged).in_features == 5
    assert averaged(normal(2, 1, 21, 18)).shape == (2, 3)


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_no_padding_given_keeps_the_size(kernel_size: int, dilation: int) -> None:
    net = built((1, 8, 7), channels=[2], kernel_size=kernel_size, dilation=dilation)
    assert head(net).in_features == 2 * 8 * 7


def test_stride_is_of_the_first_convolution_of_each_stage() -> None:
    net = built((1, 12, 12), channels=[2, 3], convs=3, stride=2)
    assert [conv.stride for conv in convolutions(net)] == [(2, 2), (1, 1), (1, 1)] * 2


def test_residual_and_plain_have_the_same_weights() -> None:
    plain, residual = (built((1, 8, 8), channels=[4, 6], residual=r).state_dict() for r in (False, True))
    renamed = {name.replace(".branch", ""): value for name, value in residual.items()}
    assert list(renamed) == list(plain)
    assert all(torch.equal(renamed[name], plain[name]) for name in plain)


def test_an_empty_branch_leaves_the_identity_path() -> None:
    net = built((1, 8, 8), channels=[4], convs=3, residual=True)
    first, *inner = convolutions(net)
    with torch.no_grad():
        for conv in inner:
            conv.weight.zero_()
    x = normal(3, 1, 8, 8)
    h = first(x)
    expected = head(net)(F.layer_norm(h, h.shape[1:]).tanh().flatten(1))
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-12)


def test_number_of_parameters() -> None:
    net = built((2, 8, 8), pool="max", channels=[4, 6], convs=2)
    weights = (2 * 4 + 4 * 4 + 4 * 6 + 6 * 6) * 9 + 4 + 4 + 6 + 6
    norms = 2 * (4 + 4 + 6 + 6)
    assert sum(p.numel() for p in net.parameters()) == weights + norms + (6 * 2 * 2) * 3 + 3


@pytest.mark.parametrize("pool", ["max", "avg"])
def test_an_image_that_becomes_too_small_is_refused_with_the_way_out(pool: str) -> None:
    with pytest.raises(ValueError, match=r"\(1, 8, 8\).*too small.*channels.*kernel_size.*stride.*padding.*pool=none"):
        built((1, 8, 8), pool=pool, channels=[2, 2, 2, 2])


def test_a_kernel_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        built((1, 4, 4), kernel_size=5, padding=0)


def test_building_leaves_running_statistics_alone() -> None:
    # The size of the maps is found by a trial image; batch normalisation must not learn from it.
    net = make(Model, "cnn").build(make_kit(norm="bn", pool="max"), classes(1, 8, 8))
    assert net.training
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert all(m.training for m in norms)
    assert all(m.num_batches_tracked == 0 for m in norms)
