from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor, nn

from ablate.kit import GatedLinear, Kit, Residual, fans, initialize
from ablate.techniques import Activation, Init, Model, Norm, Pool, Position, Regularizer
from tests.helpers import classes, make, make_kit, normal


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Linear(7, 5), (7, 5)),
        (GatedLinear(7, 5, gates=4), (7, 5)),
        (nn.Conv1d(3, 8, 5), (15, 40)),
        (nn.Conv2d(3, 8, 3), (27, 72)),
        (nn.Conv2d(3, 8, (3, 5)), (45, 120)),
        (nn.Conv2d(6, 8, 3, groups=2), (27, 36)),
        (nn.Conv2d(3, 8, 4, stride=2), (48, 32)),
        (nn.Conv2d(3, 8, 3, dilation=2, padding=2), (27, 72)),
        (nn.ConvTranspose2d(3, 8, 3), (27, 72)),
        (nn.ConvTranspose2d(3, 8, 2, stride=2), (3, 32)),
        (nn.ConvTranspose2d(6, 8, 4, stride=2, groups=2), (12, 64)),
        (nn.Conv2d(1, 1, 1, stride=2), (1, 1)),  # never less than one
    ],
)
def test_fans_by_formula(module: nn.Linear | nn.Conv2d, expected: tuple[int, int]) -> None:
    assert fans(module) == expected


@pytest.mark.parametrize(
    "module",
    [
        nn.Linear(4, 3),
        nn.Conv2d(2, 3, 3),
        nn.Conv2d(2, 4, 4, stride=2),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.ConvTranspose2d(2, 3, 3),
        nn.ConvTranspose2d(2, 3, 2, stride=2),
        nn.ConvTranspose2d(2, 4, 4, stride=2, groups=2),
    ],
)
def test_fans_count_what_is_connected(module: nn.Linear | nn.Conv2d) -> None:
    # Weights of one: an output inside is the number of inputs it sums over, a gradient that of the outputs reached.
    nn.init.ones_(module.weight)
    assert module.bias is not None
    nn.init.zeros_(module.bias)
    shape = (1, module.in_features) if isinstance(module, nn.Linear) else (1, module.in_channels, 12, 12)
    x = torch.ones(shape, requires_grad=True)
    out = module(x)
    out.sum().backward()
    assert x.grad is not None
    middle = (0, 0) if out.ndim == 2 else (0, 0, out.shape[2] // 2, out.shape[3] // 2)
    inside = (0, 0) if out.ndim == 2 else (0, 0, 6, 6)
    assert (out[middle].item(), x.grad[inside].item()) == fans(module)


@dataclass
class Noting(Init):
    """Note what is filled."""

    calls: list[tuple[tuple[int, ...], int, int]] = field(default_factory=list)

    def fill(self, weight: Tensor, fan_in: int, fan_out: int, generator: torch.Generator) -> None:
        self.calls.append((tuple(weight.shape), fan_in, fan_out))
        weight.fill_(len(self.calls))


def test_every_weight_is_filled_once_and_biases_are_zero() -> None:
    net = nn.Sequential(
        nn.Linear(2, 3),
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)),
        nn.ConvTranspose2d(2, 1, 2, stride=2, bias=False),
        nn.Conv1d(1, 1, 3),
        nn.Embedding(3, 2),
    )
    own = {name: p.clone() for name, p in net.named_parameters() if name.startswith(("1.1", "4"))}
    init = Noting()
    initialize(net, init, seed=0)
    assert init.calls == [((3, 2), 2, 3), ((2, 1, 3, 3), 9, 18), ((2, 1, 2, 2), 2, 4), ((1, 1, 3), 3, 3)]
    for name, parameter in net.named_parameters():
        if name in own:
            assert torch.equal(parameter, own[name])  # normalisation and embeddings keep their own start
        elif name.endswith("bias"):
            assert (parameter == 0).all()


def test_a_gated_layer_is_filled_gate_by_gate() -> None:
    layer, init = GatedLinear(3, 2, gates=4), Noting()
    initialize(layer, init, seed=0)
    assert init.calls == [((2, 3), 3, 2)] * 4
    assert layer.weight[:, 0].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("features", [3, 8])
def test_each_gate_is_orthogonal_by_itself(features: int) -> None:
    layer = GatedLinear(8, features, gates=4).double()
    initialize(layer, make(Init, "orthogonal"), seed=0)
    gates = layer.weight.split(features)
    for gate in gates:
        torch.testing.assert_close(gate @ gate.T, torch.eye(features, dtype=torch.float64))
    assert not torch.equal(gates[0], gates[1])


def test_fan_out_of_a_gate_does_not_count_the_others() -> None:
    layer = GatedLinear(50, 200, gates=4)
    initialize(layer, make(Init, "xavier", mode="fan_out"), seed=0)
    assert layer.weight.std().item() == pytest.approx(1 / math.sqrt(200), rel=0.02)


def test_the_seed_alone_decides_the_weights() -> None:
    def weights(seed: int, noise: int) -> Tensor:
        torch.manual_seed(noise)
        net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        initialize(net, make(Init, "he"), seed)
        return torch.cat([p.detach().flatten() for p in net.parameters()])

    assert torch.equal(weights(0, noise=1), weights(0, noise=2))
    assert not torch.equal(weights(0, noise=1), weights(1, noise=1))


def test_arms_that_differ_in_other_layers_start_from_the_same_weights() -> None:
    kits = [
        make_kit(),
        make_kit(act="tanh"),
        make_kit(norm="bn"),
        make_kit(reg={"dropout": make(Regularizer, "dropout")}),
    ]
    starts = []
    for kit in kits:
        net = make(Model, "mlp", depth=3, width=8).build(kit, classes(5))
        initialize(net, make(Init, "he"), seed=0)
        starts.append([m.weight for m in net.modules() if isinstance(m, nn.Linear)])
    for start in starts[1:]:
        assert all(torch.equal(a, b) for a, b in zip(start, starts[0], strict=True))


def test_residual_adds_its_input() -> None:
    x = normal(3, 4)
    branch = nn.Linear(4, 4).double()
    assert torch.equal(Residual(branch)(x), x + branch(x))
    assert torch.equal(Residual(nn.Identity())(x), 2 * x)
    shortcut = nn.Linear(4, 2).double()
    narrow = nn.Linear(4, 2).double()
    expected = shortcut(x) + 0.3 * narrow(x)
    torch.testing.assert_close(Residual(narrow, shortcut, scale=0.3)(x), expected, rtol=0, atol=1e-12)


class Affine(nn.Module):
    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x + self.b


@dataclass
class Scaled(Norm):
    """x → 2·x."""

    def build(self, features: int, spatial: int) -> nn.Module:
        return Affine(2, 0)


@dataclass
class Shifted(Activation):
    """x → x + 1."""

    def build(self) -> nn.Module:
        return Affine(1, 1)


@dataclass
class Layered(Regularizer):
    """x → a·x + b."""

    a: float = 1.0
    b: float = 0.0

    def layer(self, features: int, spatial: int) -> nn.Module:
        return Affine(self.a, self.b)


def test_hidden_is_norm_then_activation_then_regularizers_by_name() -> None:
    # Given in another order than that of their names; the penalty has no layer.
    reg = {"b": Layered(a=1, b=10), "l2": make(Regularizer, "l2"), "a": Layered(a=3)}
    kit = Kit(act=Shifted(), init=make(Init, "he"), norm=Scaled(), pool=make(Pool, "none"), reg=reg)
    x = normal(2, 5)
    torch.testing.assert_close(kit.hidden(5)(x), (2 * x + 1) * 3 + 10, rtol=0, atol=1e-12)
    assert [type(layer) for layer in kit.reg_layers(5)] == [Affine, Affine]


@pytest.mark.parametrize("position", Position)
def test_hidden_comes_in_two_parts_around_the_activation(position: Position) -> None:
    reg = {"a": Layered(a=3)}
    kit = Kit(act=Shifted(), init=make(Init, "he"), norm=Scaled(), pool=make(Pool, "none"), reg=reg)
    kit.norm.position = position
    before, after = kit.around_activation(5)
    x = normal(2, 5)
    normalised_first = position is Position.pre
    torch.testing.assert_close(before(x), 2 * x if normalised_first else x, rtol=0, atol=1e-12)
    torch.testing.assert_close(after(x), (x + 1) * (1 if normalised_first else 2) * 3, rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm", ["none", "bn", "ln"])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 6), (4, 5, 6, 3)])
def test_hidden_keeps_the_shape(shape: tuple[int, ...], norm: str) -> None:
    kit = make_kit(norm=norm, reg={"dropout": make(Regularizer, "dropout")})
    assert kit.hidden(5, spatial=len(shape) - 2)(torch.randn(shape)).shape == shape


def test_every_hidden_layer_has_modules_of_its_own() -> None:
    kit = make_kit(norm="bn", reg={"dropout": make(Regularizer, "dropout")})
    first, second = kit.hidden(5), kit.hidden(5)
    assert not set(map(id, first.modules())) & set(map(id, second.modules()))
