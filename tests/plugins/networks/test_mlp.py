from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import Kit, initialize
from ablate.techniques import DataSpec, Init, Model
from tests.helpers import classes, make, make_kit, normal

FORMS = ["none", "pre", "post", "inside"]
SCALE = 0.7


def built(kit: Kit, spec: DataSpec, *, depth: int = 2, width: int = 6, residual: str = "none") -> nn.Module:
    net = make(Model, "mlp", depth=depth, width=width, residual=residual, residual_scale=SCALE).build(kit, spec)
    initialize(net, make(Init, "he"), seed=1)
    return net.double()


def linears(net: nn.Module) -> list[nn.Linear]:
    return [m for m in net.modules() if isinstance(m, nn.Linear)]


def norm(h: Tensor) -> Tensor:
    return F.layer_norm(h, h.shape[1:])


def by_hand(net: nn.Module, x: Tensor, form: str) -> Tensor:
    """Walk through the layers; each after the first but the head is a block."""
    first, *inner, head = linears(net)
    h = first(x.flatten(1))
    h = h if form == "pre" else norm(h).tanh()
    for layer in inner:
        if form == "pre":
            h = h + SCALE * layer(norm(h).tanh())
        elif form == "post":
            h = (h + SCALE * norm(layer(h))).tanh()
        elif form == "inside":
            h = h + SCALE * norm(layer(h)).tanh()
        else:
            h = norm(layer(h)).tanh()
    out: Tensor = head(norm(h).tanh() if form == "pre" else h)
    return out


@pytest.mark.parametrize("residual", FORMS)
@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 3)])
def test_prediction_follows_the_formula(shape: tuple[int, ...], depth: int, residual: str) -> None:
    net = built(make_kit(act="tanh", norm="ln"), classes(*shape), depth=depth, residual=residual)
    assert len(linears(net)) == depth + 1
    x = normal(4, *shape)
    torch.testing.assert_close(net(x), by_hand(net, x, residual), rtol=0, atol=1e-12)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("residual", FORMS)
def test_number_of_parameters(depth: int, residual: str) -> None:
    net = built(make_kit(norm="bn"), classes(2, 5), depth=depth, width=6, residual=residual)
    stem, block, head, norm = 10 * 6 + 6, 6 * 6 + 6, 6 * 3 + 3, 2 * 6
    expected = stem + (depth - 1) * block + head + depth * norm
    assert sum(p.numel() for p in net.parameters()) == expected


@pytest.mark.parametrize("residual", FORMS[1:])
def test_residual_and_plain_have_the_same_weights(residual: str) -> None:
    kit, spec = make_kit(norm="bn"), classes(5)
    plain, other = (list(built(kit, spec, depth=3, residual=form).parameters()) for form in ("none", residual))
    assert all(torch.equal(a, b) for a, b in zip(plain, other, strict=True))


def test_an_empty_branch_leaves_the_identity_path() -> None:
    # Normalisation and activation stand inside the branch: nothing may touch the path around it.
    net = built(make_kit(act="sigmoid", norm="ln"), classes(5), depth=3, residual="pre")
    first, *inner, head = linears(net)
    with torch.no_grad():
        for layer in inner:
            layer.weight.zero_()
            assert layer.bias is not None
            layer.bias.zero_()
    x = normal(4, 5)
    h = first(x)
    torch.testing.assert_close(net(x), head(F.layer_norm(h, (6,)).sigmoid()), rtol=0, atol=1e-12)


@pytest.mark.parametrize("residual", FORMS)
def test_the_identity_path_carries_the_gradient_past_a_dead_branch(residual: str) -> None:
    net = built(make_kit(), classes(5), depth=3, residual=residual)
    first, second, *_ = linears(net)
    with torch.no_grad():
        second.weight.zero_()
    net(normal(4, 5)).square().sum().backward()
    assert first.weight.grad is not None
    assert bool(first.weight.grad.any()) is (residual != "none")


@pytest.mark.parametrize("name", ["identity", "relu"])
def test_only_a_network_with_activation_is_non_linear(name: str) -> None:
    net = built(make_kit(act=name), classes(5), depth=3)
    a, b = normal(4, 5, seed=1), normal(4, 5, seed=2)
    linear = torch.allclose(net((a + b) / 2), (net(a) + net(b)) / 2, rtol=0, atol=1e-12)
    assert linear is (name == "identity")


def test_defaults() -> None:
    net = make(Model, "mlp").build(make_kit(), classes(1, 8, 8, outputs=10))
    assert [tuple(layer.weight.shape) for layer in linears(net)] == [(128, 64), (128, 128), (10, 128)]


def test_a_linear_model_is_one_layer_on_all_features() -> None:
    net = make(Model, "linear").build(make_kit(norm="bn"), classes(4, 3)).double()
    (layer,) = linears(net)
    assert layer.bias is not None
    x = normal(5, 4, 3)
    expected = x.flatten(1) @ layer.weight.T + layer.bias
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-12)
    assert sum(p.numel() for p in net.parameters()) == 12 * 3 + 3


@pytest.mark.parametrize("residual", FORMS)
@pytest.mark.parametrize("crosses", [False, True])
def test_wide_and_deep_is_the_sum_of_a_linear_model_and_an_mlp(crosses: bool, residual: str) -> None:
    params = {"depth": 3, "width": 6, "residual": residual, "residual_scale": SCALE}
    kit, spec = make_kit(act="tanh", norm="ln"), classes(4)
    net = make(Model, "wide_deep", crosses=crosses, **params).build(kit, spec).double()
    deep, wide = net.get_submodule("deep"), net.get_submodule("wide")
    x = normal(5, 4)
    products = [x[:, i] * x[:, j] for i in range(4) for j in range(i + 1, 4)] if crosses else []
    features = torch.cat([x, *(product[:, None] for product in products)], 1)
    expected = features @ wide.get_parameter("weight").T + by_hand(deep, x, residual)
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-12)
    alone = make(Model, "mlp", **params).build(kit, spec)
    count = sum(p.numel() for p in net.parameters()) - sum(p.numel() for p in alone.parameters())
    assert count == (4 + 6 * crosses) * 3  # no second bias


@pytest.mark.parametrize("output", ["relu", "sigmoid", "tanh"])
def test_an_output_activation_comes_after_all_else(output: str) -> None:
    kit, spec = make_kit(), classes(6)
    squashed = make(Model, "mlp_output", output=output, width=4).build(kit, spec).double()
    plain = make(Model, "mlp", width=4).build(kit, spec).double()
    plain.load_state_dict({name.removeprefix("body."): value for name, value in squashed.state_dict().items()})
    x = normal(5, 6)
    torch.testing.assert_close(squashed(x), getattr(torch, output)(plain(x)), rtol=0, atol=0)
    same = make(Model, "mlp_output", output="identity", width=4).build(kit, spec)
    assert [*same.state_dict()] == [*plain.state_dict()]
