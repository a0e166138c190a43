from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import Kit, initialize
from ablate.techniques import Init, Model
from tests.helpers import classes, generator, make, make_kit, normal, refusal

B, N, D = 4, 6, 3


def built(kit: Kit, **params: Any) -> nn.Module:
    params = {"channels": [5, 7], "head": [4], **params}
    net = make(Model, "pointnet", **params).build(kit, classes(N, D))
    initialize(net, make(Init, "he"), seed=1)
    return net.double()


def linears(net: nn.Module) -> list[nn.Linear]:
    return [m for m in net.modules() if isinstance(m, nn.Linear)]


@pytest.mark.parametrize("pooling", ["max", "mean", "sum"])
@pytest.mark.parametrize("head", [[], [4], [6, 4]])
def test_prediction_follows_the_formula_point_by_point(head: list[int], pooling: str) -> None:
    net = built(make_kit(act="tanh", norm="ln"), head=head, pooling=pooling)
    first, second, *outer, last = linears(net)

    def hidden(layer: nn.Linear, h: Tensor) -> Tensor:
        return F.layer_norm(layer(h), (layer.out_features,)).tanh()

    x, expected = normal(B, N, D), []
    for points in x:
        features = torch.stack([hidden(second, hidden(first, point)) for point in points])
        h = {"max": features.max(0).values, "mean": features.sum(0) / N, "sum": features.sum(0)}[pooling]
        for layer in outer:
            h = hidden(layer, h)
        expected.append(last(h))
    torch.testing.assert_close(net(x), torch.stack(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm", ["none", "bn"])
@pytest.mark.parametrize("pooling", ["max", "mean", "sum"])
def test_the_order_of_the_points_makes_no_difference(pooling: str, norm: str) -> None:
    net, x = built(make_kit(norm=norm), pooling=pooling), normal(B, N, D)
    orders = [torch.randperm(N, generator=generator(seed)) for seed in range(B)]
    shuffled = torch.stack([points[order] for points, order in zip(x, orders, strict=True)])
    assert not torch.equal(shuffled, x)
    torch.testing.assert_close(net(shuffled), net(x), rtol=0, atol=1e-12)


def test_points_said_twice_count_in_the_sum_alone() -> None:
    x = normal(B, N, D)
    for pooling, same in {"max": True, "mean": True, "sum": False}.items():
        net = built(make_kit(), pooling=pooling)
        assert torch.allclose(net(torch.cat((x, x), 1)), net(x), rtol=0, atol=1e-12) is same


def test_a_network_of_sequences_knows_the_order() -> None:
    net, x = make(Model, "lstm").build(make_kit(), classes(N, D)).double(), normal(B, N, D)
    assert not torch.allclose(net(x.flip(1)), net(x))


def test_batch_norm_takes_its_statistics_over_examples_and_points() -> None:
    net, x = built(make_kit(act="identity", norm="bn"), channels=[5], head=[], pooling="sum"), normal(B, N, D)
    first, last = linears(net)
    features = first(x)
    mean, variance = features.mean((0, 1)), features.var((0, 1), correction=0)
    expected = last(((features - mean) / (variance + 1e-5).sqrt()).sum(1))
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-12)


def test_number_of_parameters() -> None:
    net = built(make_kit(norm="bn"))
    points, head = (D * 5 + 5) + (5 * 7 + 7), (7 * 4 + 4) + (4 * 3 + 3)
    assert sum(p.numel() for p in net.parameters()) == points + head + 2 * (5 + 7 + 4)


@pytest.mark.parametrize("head", [[0], [8, -1]])
def test_a_head_without_positive_numbers_is_refused(head: list[int]) -> None:
    assert f"head must list positive numbers, not {head}" in refusal(Model, "pointnet", head=head)
