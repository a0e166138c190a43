from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import initialize
from ablate.techniques import Init, Model, Pool
from tests.helpers import classes, make, make_kit, normal

SCALE = 0.7


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    return [m for m in net.modules() if isinstance(m, nn.Conv2d)]


def head(net: nn.Module) -> nn.Linear:
    (layer,) = (m for m in net.modules() if isinstance(m, nn.Linear))
    return layer


def built(shape: tuple[int, int, int], pool: str | Pool = "none", **params: Any) -> nn.Module:
    net = make(Model, "cnn", **params).build(make_kit(act="tanh", norm="ln", pool=pool), classes(*shape))
    initialize(net, make(Init, "he"), seed=1)
    return net.double()


def norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[1:])


def by_hand(net: nn.Module, x: Tensor, stages: int, form: str, gap: bool) -> Tensor:
    """Walk through stages of ``len(convolutions) / stages`` convolutions, a pooling of 2 after each stage."""
    every = convolutions(net)
    convs = len(every) // stages
    for n, conv in enumerate(every):
        if n % convs == 0:  # the first of a stage changes the number of channels: never residual
            x = conv(x) if form == "pre" else norm(conv(x)).tanh()
        elif form == "pre":
            x = x + SCALE * conv(norm(x).tanh())
        elif form == "post":
            x = (x + SCALE * norm(conv(x))).tanh()
        else:
            x = (x if form == "inside" else 0) + (SCALE if form == "inside" else 1) * norm(conv(x)).tanh()
        if n % convs == convs - 1:
            x = F.max_pool2d(norm(x).tanh() if form == "pre" else x, 2)
    out: Tensor = head(net)(x.mean((2, 3)) if gap else x.flatten(1))
    return out


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize("form", ["none", "pre", "post", "inside"])
@pytest.mark.parametrize(("channels", "convs"), [([4], 1), ([4], 3), ([4, 6], 2), ([2, 3, 4], 1)])
def test_prediction_follows_the_formula(channels: list[int], convs: int, form: str, gap: bool) -> None:
    params = {"channels": channels, "convs": convs, "residual": form, "head": "gap" if gap else "fc"}
    net = built((2, 9, 11), pool="max", residual_scale=SCALE, **params)
    assert len(convolutions(net)) == convs * len(channels)
    x = normal(3, 2, 9, 11)
    torch.testing.assert_close(net(x), by_hand(net, x, len(channels), form, gap), rtol=0, atol=1e-12)


@pytest.mark.parametrize("gap", [False, True])
def test_hidden_layers_of_the_head_follow_the_maps(gap: bool) -> None:
    net = built((1, 4, 4), channels=[3], convs=1, head="gap" if gap else "fc", head_widths=[5, 4])
    (conv,) = convolutions(net)
    linears = [m for m in net.modules() if isinstance(m, nn.Linear)]
    assert [layer.out_features for layer in linears] == [5, 4, 3]
    x = normal(3, 1, 4, 4)
    h = norm(conv(x)).tanh()
    h = h.mean((2, 3)) if gap else h.flatten(1)
    for layer in linears[:-1]:
        h = norm(layer(h)).tanh()
    torch.testing.assert_close(net(x), linears[-1](h), rtol=0, atol=1e-12)


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


@pytest.mark.parametrize("form", ["pre", "post", "inside"])
def test_residual_and_plain_have_the_same_weights(form: str) -> None:
    plain, residual = (list(built((1, 8, 8), channels=[4, 6], residual=r).parameters()) for r in ("none", form))
    assert all(torch.equal(a, b) for a, b in zip(plain, residual, strict=True))


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


def test_without_pooling_the_pool_has_no_place() -> None:
    net = built((1, 8, 8), pool="max", pooling=False, channels=[2, 3])
    assert head(net).in_features == 3 * 8 * 8


def test_vgg_is_the_cnn_with_three_stages_and_hidden_layers_in_the_head() -> None:
    assert vars(make(Model, "vgg")) == vars(make(Model, "cnn", channels=[16, 32, 64], head_widths=[128, 128]))
    net = make(Model, "vgg").build(make_kit(pool="max"), classes(1, 8, 8))
    weights = sum(9 * a * b + b for a, b in ((1, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64)))
    weights += sum(a * b + b for a, b in ((64, 128), (128, 128), (128, 3)))
    assert sum(p.numel() for p in net.parameters()) == weights
