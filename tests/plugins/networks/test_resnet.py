from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import initialize
from ablate.techniques import Init, Model
from tests.helpers import classes, make, make_kit, normal

SCALE = 0.7


def built(shape: tuple[int, int, int], pool: str = "none", norm: str = "ln", **params: Any) -> nn.Module:
    net = make(Model, "resnet", **params).build(make_kit(act="tanh", norm=norm, pool=pool), classes(*shape))
    initialize(net, make(Init, "he"), seed=1)
    return net.double()


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    return [m for m in net.modules() if isinstance(m, nn.Conv2d)]


def norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[1:])


def by_hand(net: nn.Module, x: Tensor, form: str, blocks: int, pool: bool) -> Tensor:
    """Walk through a stem and stages of ``blocks`` blocks of two convolutions."""
    stem, *every = convolutions(net)
    left = iter(every)
    x = stem(x) if form == "pre" else norm(stem(x)).tanh()
    for stage in range(2):
        for _ in range(blocks):
            first, second = next(left), next(left)
            changes = form != "none" and (*first.stride, first.in_channels) != (1, 1, first.out_channels)
            path = next(left)(x) if changes else x
            if form == "pre":
                x = path + SCALE * second(norm(first(norm(x).tanh())).tanh())
            elif form == "post":
                x = (path + SCALE * norm(second(norm(first(x)).tanh()))).tanh()
            else:
                branch = norm(second(norm(first(x)).tanh())).tanh()
                x = path + SCALE * branch if form == "inside" else branch
        if form == "pre" and stage == 1:  # the bare path ends here
            x = norm(x).tanh()
        x = F.max_pool2d(x, 2) if pool else x
    assert next(left, None) is None
    (head,) = (m for m in net.modules() if isinstance(m, nn.Linear))
    out: Tensor = head(x.mean((2, 3)))
    return out


@pytest.mark.parametrize("form", ["none", "pre", "post", "inside"])
@pytest.mark.parametrize(
    ("channels", "blocks", "stride", "pool"), [([4, 6], 1, 2, False), ([4, 4], 2, 2, False), ([4, 6], 2, 1, True)]
)
def test_prediction_follows_the_formula(channels: list[int], blocks: int, stride: int, pool: bool, form: str) -> None:
    params: dict[str, Any] = {
        "channels": channels,
        "convs": 2 * blocks,
        "stride": stride,
        "pooling": pool,
        "residual": form,
    }
    net = built((2, 9, 11), pool="max", residual_scale=SCALE, **params)
    x = normal(3, 2, 9, 11)
    torch.testing.assert_close(net(x), by_hand(net, x, form, blocks, pool), rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", ["pre", "post", "inside"])
def test_a_block_has_a_shortcut_where_it_changes_size_or_channels(form: str) -> None:
    net = built((1, 16, 16), channels=[4, 4, 6], convs=4, residual=form)
    shortcuts = [(c.in_channels, c.out_channels, c.stride[0]) for c in convolutions(net) if c.kernel_size == (1, 1)]
    assert shortcuts == [(4, 4, 2), (4, 6, 2)]
    assert [c.stride[0] for c in convolutions(net) if c.kernel_size == (3, 3)] == [1] + [1] * 4 + [2, 1, 1, 1] * 2


def test_dead_branches_leave_the_path_from_stem_to_head() -> None:
    net = built((1, 8, 8), channels=[4], convs=6, residual="pre")
    stem, *inner = convolutions(net)
    with torch.no_grad():
        for conv in inner:
            conv.weight.zero_()
    x = normal(3, 1, 8, 8)
    (head,) = (m for m in net.modules() if isinstance(m, nn.Linear))
    torch.testing.assert_close(net(x), head(norm(stem(x)).tanh().mean((2, 3))), rtol=0, atol=1e-12)


def test_resnet_20_has_as_many_parameters_as_the_paper_says() -> None:
    # He et al. 2015, table 6: 0.27 million, with parameter-free shortcuts.
    net = make(Model, "resnet", convs=6).build(make_kit(norm="bn"), classes(3, 32, 32, outputs=10))
    assert sum(isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3) for m in net.modules()) == 19
    convs = [(3, 16), *[(16, 16)] * 6, (16, 32), *[(32, 32)] * 5, (32, 64), *[(64, 64)] * 5]
    expected = sum(9 * a * b + 3 * b for a, b in convs) + 64 * 10 + 10  # bias, scale and shift
    assert round(expected / 1e6, 2) == 0.27
    assert sum(p.numel() for p in net.parameters()) == expected + 16 * 32 + 32 * 64


def test_resnet_is_the_cnn_with_a_stem_and_blocks_of_two() -> None:
    cnn = make(
        Model,
        "cnn",
        channels=[16, 32, 64],
        stride=2,
        pooling=False,
        stem=True,
        residual="post",
        block=2,
        head="gap",
    )
    assert vars(make(Model, "resnet")) == vars(cnn)


@pytest.mark.parametrize("form", ["none", "pre", "post", "inside"])
def test_building_asks_for_each_hidden_layer_once(form: str) -> None:
    net = built((1, 8, 8), norm="bn", residual=form)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) == 1 + 3 * 2


def test_the_sum_stands_before_the_activation_wherever_the_normalisation_is() -> None:
    kit = make_kit(act="tanh", norm="ln")
    kit.norm.position = kit.norm.position.post
    net = make(Model, "resnet", channels=[4]).build(kit, classes(1, 6, 6)).double()
    stem, first, second = convolutions(net)
    x = normal(3, 1, 6, 6)
    h = norm(stem(x).tanh())
    h = norm((h + second(norm(first(h).tanh()))).tanh())
    (head,) = (m for m in net.modules() if isinstance(m, nn.Linear))
    torch.testing.assert_close(net(x), head(h.mean((2, 3))), rtol=0, atol=1e-12)
