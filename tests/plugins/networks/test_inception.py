from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import initialize
from ablate.techniques import Init, Model
from tests.helpers import classes, make, make_kit, normal, refusal


def built(shape: tuple[int, int, int], pool: str = "max", norm: str = "ln", **params: Any) -> nn.Module:
    net = make(Model, "inception", **params).build(make_kit(act="tanh", norm=norm, pool=pool), classes(*shape))
    initialize(net, make(Init, "he"), seed=1)
    return net.double()


def layer(conv: nn.Conv2d, x: Tensor) -> Tensor:
    x = F.conv2d(x, conv.weight, conv.bias, padding=conv.kernel_size[0] // 2)
    return F.layer_norm(x, x.shape[1:]).tanh()


def by_hand(net: nn.Module, x: Tensor, stages: int, blocks: int, gap: bool) -> Tensor:
    stem, *every = (m for m in net.modules() if isinstance(m, nn.Conv2d))
    left = iter(every)
    x = layer(stem, x)
    for stage in range(stages):
        x = F.max_pool2d(x, 2) if stage else x
        for _ in range(blocks):
            one, reduce3, three, reduce5, five, after_pool = (next(left) for _ in range(6))
            kernels = [conv.kernel_size[0] for conv in (one, reduce3, three, reduce5, five, after_pool)]
            assert kernels == [1, 1, 3, 1, 5, 1]
            pooled = F.max_pool2d(x, 3, stride=1, padding=1)
            branches = layer(one, x), layer(three, layer(reduce3, x)), layer(five, layer(reduce5, x))
            x = torch.cat((*branches, layer(after_pool, pooled)), 1)
    assert next(left, None) is None
    (head,) = (m for m in net.modules() if isinstance(m, nn.Linear))
    out: Tensor = head(x.mean((2, 3)) if gap else x.flatten(1))
    return out


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize(("channels", "blocks"), [([16], 2), ([16, 32], 1), ([32, 16, 16], 1)])
def test_prediction_follows_the_formula(channels: list[int], blocks: int, gap: bool) -> None:
    net = built((2, 9, 11), channels=channels, blocks=blocks, head="gap" if gap else "fc")
    x = normal(3, 2, 9, 11)
    torch.testing.assert_close(net(x), by_hand(net, x, len(channels), blocks, gap), rtol=0, atol=1e-12)


def test_a_block_of_256_channels_is_the_papers_first() -> None:
    # Szegedy et al. 2014, table 1, inception (3a): 64, 96 -> 128, 16 -> 32, 32.
    net = built((1, 4, 4), channels=[256])
    _, *convs = (m for m in net.modules() if isinstance(m, nn.Conv2d))
    assert [conv.out_channels for conv in convs] == [64, 96, 128, 16, 32, 32]


def test_number_of_parameters() -> None:
    net = built((2, 8, 8), norm="none", channels=[32])
    convs = [(2, 32, 9), (32, 8, 1), (32, 12, 1), (12, 16, 9), (32, 2, 1), (2, 4, 25), (32, 4, 1)]
    assert sum(p.numel() for p in net.parameters()) == sum(a * b * k + b for a, b, k in convs) + 32 * 3 + 3


def test_channels_that_the_branches_cannot_share_are_refused() -> None:
    assert "channels must be multiples of 16" in refusal(Model, "inception", channels=[16, 24])


def test_an_image_that_becomes_too_small_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"\(1, 4, 4\).*too small.*channels.*pool=none"):
        built((1, 4, 4), channels=[16] * 4)
