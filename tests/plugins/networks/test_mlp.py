from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import Kit, initialize
from ablate.techniques import DataSpec, Init, Model
from tests.helpers import classes, make, make_kit, normal


def built(kit: Kit, spec: DataSpec, *, depth: int = 2, width: int = 6, residual: bool = False) -> nn.Module:
    net = make(Model, "mlp", depth=depth, width=width, residual=residual).build(kit, spec)
    initialize(net, make(Init, "he"), seed=1)
    return net.double()


def linears(net: nn.Module) -> list[nn.Linear]:
    return [m for m in net.modules() if isinstance(m, nn.Linear)]


def by_hand(net: nn.Module, x: Tensor, residual: bool) -> Tensor:
    """Walk through the layers: linear, then normalise and activate before every further linear layer."""
    first, *inner, head = linears(net)
    h = first(x.flatten(1))
    for layer in inner:
        branch = layer(F.layer_norm(h, h.shape[1:]).tanh())
        h = h + branch if residual else branch
    out: Tensor = head(F.layer_norm(h, h.shape[1:]).tanh())
    return out


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 3)])
def test_prediction_follows_the_formula(shape: tuple[int, ...], depth: int, residual: bool) -> None:
    net = built(make_kit(act="tanh", norm="ln"), classes(*shape), depth=depth, residual=residual)
    assert len(linears(net)) == depth + 1
    x = normal(4, *shape)
    torch.testing.assert_close(net(x), by_hand(net, x, residual), rtol=0, atol=1e-12)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("residual", [False, True])
def test_number_of_parameters(depth: int, residual: bool) -> None:
    net = built(make_kit(norm="bn"), classes(2, 5), depth=depth, width=6, residual=residual)
    stem, block, head, norm = 10 * 6 + 6, 6 * 6 + 6, 6 * 3 + 3, 2 * 6
    expected = stem + (depth - 1) * block + head + depth * norm
    assert sum(p.numel() for p in net.parameters()) == expected


def test_residual_and_plain_have_the_same_weights() -> None:
    kit, spec = make_kit(norm="bn"), classes(5)
    plain, residual = (built(kit, spec, depth=3, residual=r).state_dict() for r in (False, True))
    renamed = {name.replace(".branch", ""): value for name, value in residual.items()}
    assert list(renamed) == list(plain)
    assert all(torch.equal(renamed[name], plain[name]) for name in plain)


def test_an_empty_branch_leaves_the_identity_path() -> None:
    # Normalisation and activation stand inside the branch: nothing may touch the path around it.
    net = built(make_kit(act="sigmoid", norm="ln"), classes(5), depth=3, residual=True)
    first, *inner, head = linears(net)
    with torch.no_grad():
        for layer in inner:
            layer.weight.zero_()
            assert layer.bias is not None
            layer.bias.zero_()
    x = normal(4, 5)
    h = first(x)
    torch.testing.assert_close(net(x), head(F.layer_norm(h, (6,)).sigmoid()), rtol=0, atol=1e-12)


@pytest.mark.parametrize("residual", [False, True])
def test_the_identity_path_carries_the_gradient_past_a_dead_branch(residual: bool) -> None:
    net = built(make_kit(), classes(5), depth=3, residual=residual)
    first, second, *_ = linears(net)
    with torch.no_grad():
        second.weight.zero_()
    net(normal(4, 5)).square().sum().backward()
    assert first.weight.grad is not None
    assert bool(first.weight.grad.any()) is residual


@pytest.mark.parametrize("name", ["identity", "relu"])
def test_only_a_network_with_activation_is_non_linear(name: str) -> None:
    net = built(make_kit(act=name), classes(5), depth=3)
    a, b = normal(4, 5, seed=1), normal(4, 5, seed=2)
    linear = torch.allclose(net((a + b) / 2), (net(a) + net(b)) / 2, rtol=0, atol=1e-12)
    assert linear is (name == "identity")


def test_defaults() -> None:
    net = make(Model, "mlp").build(make_kit(), classes(1, 8, 8, outputs=10))
    assert [tuple(layer.weight.shape) for layer in linears(net)] == [(128, 64), (128, 128), (10, 128)]
