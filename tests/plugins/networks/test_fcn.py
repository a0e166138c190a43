from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import initialize
from ablate.techniques import Init, Model, Pool
from tests.helpers import make, make_kit, normal, pixels


def built(shape: tuple[int, int, int], pool: str | Pool = "max", **params: Any) -> nn.Module:
    net = make(Model, "fcn", **params).build(make_kit(act="tanh", norm="ln", pool=pool), pixels(*shape))
    initialize(net, make(Init, "he"), seed=1)
    return net.double()


def by_hand(net: nn.Module, x: Tensor, *, stages: int, dilation: int, skips: bool, bilinear: bool) -> Tensor:
    """Walk through encoder, bottom and decoder, with a pooling of 2 after each stage."""

    def inside(part: str) -> Iterator[nn.Conv2d]:
        return (m for m in net.get_submodule(part).modules() if isinstance(m, nn.Conv2d))

    convolutions = inside("down")

    def layer(conv: nn.Module, x: Tensor, rate: int) -> Tensor:
        assert isinstance(conv, nn.Conv2d)
        kernel = conv.weight.shape[-1]
        x = F.conv2d(x, conv.weight, conv.bias, padding=rate * (kernel - 1) // 2, dilation=rate)
        return F.layer_norm(x, x.shape[1:]).tanh()

    maps = []
    for _ in range(stages):
        x = layer(next(convolutions), x, 1)
        maps.append(layer(next(convolutions), x, dilation))
        x = F.max_pool2d(maps[-1], 2)
    assert next(convolutions, None) is None
    for conv in inside("bottom"):
        x = layer(conv, x, dilation)
    for index, same_size in enumerate(reversed(maps)):
        height, width = same_size.shape[2:]
        if bilinear:
            x = net.get_submodule(f"up.{index}.conv")(x)
            x = F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
        else:
            up = net.get_submodule(f"up.{index}.deconv")
            smaller = F.conv_transpose2d(x, up.get_parameter("weight"), up.get_parameter("bias"), stride=2)
            x = smaller.new_zeros(*smaller.shape[:2], height, width)
            x[:, :, : smaller.shape[2], : smaller.shape[3]] = smaller
        x = torch.cat((x, same_size), 1) if skips else x
        for conv in inside(f"decode.{index}"):
            x = layer(conv, x, 1)
    out: Tensor = net.get_submodule("head")(x)
    return out


@pytest.mark.parametrize("bilinear", [False, True])
@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize(("channels", "dilation", "decoder_convs"), [([3], 1, 2), ([3, 5], 2, 3), ([2, 3, 4], 1, 1)])
@pytest.mark.parametrize("size", [(16, 16), (13, 18)])
def test_prediction_follows_the_formula(
    size: tuple[int, int], channels: list[int], dilation: int, decoder_convs: int, skips: bool, bilinear: bool
) -> None:
    up = "bilinear" if bilinear else "transposed"
    params: dict[str, Any] = {"channels": channels, "dilation": dilation, "decoder_convs": decoder_convs}
    net = built((2, *size), skips=skips, up=up, **params)
    assert len(list(net.get_submodule("bottom").children())) == decoder_convs
    x = normal(2, 2, *size)
    expected = by_hand(net, x, stages=len(channels), dilation=dilation, skips=skips, bilinear=bilinear)
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-12)


POOLS: list[tuple[str, dict[str, int]]] = [
    ("none", {}),
    ("max", {}),
    ("avg", {"size": 3}),
    ("max", {"size": 3, "stride": 2}),
    ("max", {"size": 2, "stride": 1}),
]


@pytest.mark.parametrize("up", ["transposed", "bilinear"])
@pytest.mark.parametrize(("pool", "params"), POOLS)
@pytest.mark.parametrize("size", [(16, 16), (15, 15), (17, 21), (24, 9)])
def test_one_prediction_for_each_pixel(size: tuple[int, int], pool: str, params: dict[str, int], up: str) -> None:
    net = built((1, *size), pool=make(Pool, pool, **params), channels=[2, 3], up=up)
    assert net(normal(2, 1, *size)).shape == (2, 3, *size)


@pytest.mark.parametrize("skips", [False, True])
def test_skips_show_the_decoder_the_pixels_that_pooling_lost(skips: bool) -> None:
    kit = make_kit(act="identity", pool="max")
    net = make(Model, "fcn", channels=[2], kernel_size=1, skips=skips).build(kit, pixels(1, 8, 8))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0)
    x = torch.ones(1, 1, 8, 8)
    other = x.clone()
    other[0, 0, 3, 3] = 0.5  # inside a window whose maximum stays 1
    assert torch.equal(net(x), net(other)) is not skips


@pytest.mark.parametrize("up", ["transposed", "bilinear"])
@pytest.mark.parametrize("skips", [False, True])
def test_number_of_parameters(skips: bool, up: str) -> None:
    net = built((2, 16, 16), channels=[3, 5], skips=skips, up=up)
    hidden = [(2, 3), (3, 3), (3, 5), (5, 5), (5, 5), (10 if skips else 5, 5), (6 if skips else 3, 3)]
    ups = [(5, 5), (5, 3)]
    kernel = 1 if up == "bilinear" else 4
    expected = sum(9 * before * after + 3 * after for before, after in hidden)  # bias, scale and shift
    expected += sum(kernel * before * after + after for before, after in ups) + 3 * 3 + 3
    assert sum(p.numel() for p in net.parameters()) == expected


def test_dilation_is_of_the_second_convolutions_and_the_bottom() -> None:
    net = built((1, 16, 16), channels=[2, 3], dilation=2)
    rates = {name: m.dilation[0] for name, m in net.named_modules() if isinstance(m, nn.Conv2d)}
    dilated = {name for name, rate in rates.items() if rate == 2}
    assert dilated == {"down.0.1.0", "down.1.1.0", "bottom.0.0"}
    assert set(rates.values()) == {1, 2}


def test_defaults_are_a_unet_with_two_stages() -> None:
    net = make(Model, "fcn").build(make_kit(pool="max"), pixels(1, 24, 24))
    assert net.get_parameter("head.weight").shape == (3, 16, 1, 1)
    assert net.get_parameter("bottom.0.0.weight").shape == (32, 32, 3, 3)
    assert net.get_parameter("decode.0.0.0.weight").shape == (32, 64, 3, 3)
    assert net.get_parameter("up.0.deconv.weight").shape == (32, 32, 2, 2)


def test_unet_is_the_fcn_with_three_stages_and_two_convolutions_on_the_way_up() -> None:
    assert vars(make(Model, "unet")) == vars(make(Model, "fcn", channels=[16, 32, 64], decoder_convs=2))
    net = make(Model, "unet").build(make_kit(pool="max"), pixels(1, 24, 24))
    hidden = [(1, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64, 64), (64, 64)]
    hidden += [(128, 64), (64, 64), (64, 32), (32, 32), (32, 16), (16, 16)]
    expected = sum(9 * a * b + b for a, b in hidden) + sum(4 * a * b + b for a, b in ((64, 64), (64, 32), (32, 16)))
    assert sum(p.numel() for p in net.parameters()) == expected + 16 * 3 + 3


@pytest.mark.parametrize("pool", ["max", "avg"])
def test_an_image_that_becomes_too_small_is_refused_with_the_way_out(pool: str) -> None:
    with pytest.raises(ValueError, match=r"\(1, 6, 6\).*too small for 3 stages.*channels.*pool=none"):
        built((1, 6, 6), pool=pool, channels=[2, 2, 2])


@pytest.mark.parametrize(("shape", "channels"), [((1, 24, 6), [2, 2]), ((1, 9, 3), [2])])
def test_every_part_of_the_bottom_reaches_the_prediction(shape: tuple[int, int, int], channels: list[int]) -> None:
    net = built(shape, channels=channels)
    bottom: list[Tensor] = []

    def keep(_: nn.Module, __: object, out: Tensor) -> None:
        out.retain_grad()
        bottom.append(out)

    net.get_submodule("bottom").register_forward_hook(keep)
    net(normal(1, *shape).double()).square().sum().backward()
    assert bottom[0].grad is not None
    assert (bottom[0].grad.abs().sum((0, 1, 3)) > 0).all()


@pytest.mark.parametrize(("shape", "stride"), [((1, 18, 3), 2), ((1, 8, 8), 3)])
def test_the_way_up_has_the_stride_of_the_pooling(shape: tuple[int, int, int], stride: int) -> None:
    kit = make_kit(pool=make(Pool, "max", size=2, stride=stride))
    deconv = make(Model, "fcn", channels=[2]).build(kit, pixels(*shape)).get_submodule("up.0.deconv")
    assert isinstance(deconv, nn.ConvTranspose2d)
    assert deconv.stride == (stride, stride)
