from __future__ import annotations

import pytest
import torch
from ablate_plugins.networks.lstm import CELLS
from torch import Tensor, nn

from ablate.kit import Kit, initialize
from ablate.techniques import Init, Model, Regularizer
from tests.helpers import classes, generator, make, make_kit, normal

B, T, F, H = 3, 7, 4, 5
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def layer(cell: str, kit: Kit | None = None, forget_bias: float = 1.0) -> nn.Module:
    made: nn.Module = CELLS[cell](F, H, kit or make_kit(act="tanh"), forget_bias)
    return made.double()


def reference(cell: str, layers: int = 1, features: int = F) -> nn.LSTM | nn.GRU | nn.RNN:
    kind = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell]
    made = kind(features, H, layers, batch_first=True).double()
    assert isinstance(made, nn.LSTM | nn.GRU | nn.RNN)
    with torch.no_grad():
        for seed, parameter in enumerate(made.parameters()):
            parameter.copy_(normal(*parameter.shape, seed=100 + seed))
    return made


@torch.no_grad()
def copy_weights(source: nn.Module, target: nn.Module, forget_bias: float, index: int = 0) -> None:
    """Give a cell the weights of a layer of torch's, whose two biases are one here but for the gru."""
    weights = {name.removesuffix(f"_l{index}"): p for name, p in source.named_parameters() if name.endswith(str(index))}
    own = dict(target.named_parameters())
    own.pop("input.weight").copy_(weights["weight_ih"])
    own.pop("recurrent.weight").copy_(weights["weight_hh"])
    if "recurrent.bias" in own:
        own.pop("recurrent.bias").copy_(weights["bias_hh"])
        own.pop("input.bias").copy_(weights["bias_ih"])
    else:
        bias = weights["bias_ih"] + weights["bias_hh"]
        if isinstance(source, nn.LSTM):
            bias[H : 2 * H] -= forget_bias  # torch has no such constant: its forget bias holds all of it
        own.pop("input.bias").copy_(bias)
    assert not own


@pytest.mark.parametrize("forget_bias", [1.0, 0.0, -0.5])
@pytest.mark.parametrize("cell", GATES)
def test_states_and_gradients_are_torchs(cell: str, forget_bias: float) -> None:
    ours, theirs = layer(cell, forget_bias=forget_bias), reference(cell)
    copy_weights(theirs, ours, forget_bias)
    x = normal(B, T, F)
    states, expected = ours(x), theirs(x)[0]
    assert states.shape == (B, T, H)
    torch.testing.assert_close(states, expected, rtol=0, atol=1e-12)

    upstream = normal(B, T, H, seed=1)
    gradients = []
    for module in (ours, theirs):
        leaf = x.clone().requires_grad_()
        module(leaf)[0 if module is theirs else ...].backward(upstream)
        named = dict(module.named_parameters())
        recurrent = named["recurrent.weight" if module is ours else "weight_hh_l0"].grad
        assert leaf.grad is not None
        assert recurrent is not None
        gradients.append((leaf.grad, recurrent))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("cell", GATES)
def test_a_state_depends_on_every_earlier_step_and_on_no_later_one(cell: str) -> None:
    cells = layer(cell)
    x = normal(1, T, F).requires_grad_()
    cells(x)[0, 4].sum().backward()
    assert x.grad is not None
    reach = x.grad.abs().sum((0, 2))
    assert (reach[:5] > 0).all()
    assert (reach[5:] == 0).all()


@pytest.mark.parametrize("act", ["relu", "sigmoid", "identity"])
def test_the_rnn_takes_its_activation_from_the_kit(act: str) -> None:
    kit = make_kit(act=act)
    cell = layer("rnn", kit)
    weights = dict(cell.named_parameters())
    x, function, h = normal(B, T, F), kit.act.build(), torch.zeros(B, H, dtype=torch.float64)
    expected = []
    for t in range(T):
        h = function(x[:, t] @ weights["input.weight"].T + weights["input.bias"] + h @ weights["recurrent.weight"].T)
        expected.append(h)
    torch.testing.assert_close(cell(x), torch.stack(expected, 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("cell", "same"), [("lstm", True), ("gru", True), ("rnn", False)])
def test_gated_cells_keep_their_own_activations(cell: str, same: bool) -> None:
    tanh, relu = layer(cell, make_kit(act="tanh")), layer(cell, make_kit(act="relu"))
    relu.load_state_dict(tanh.state_dict())
    x = normal(B, T, F)
    assert torch.equal(tanh(x), relu(x)) is same


@pytest.mark.parametrize("readout", ["last", "mean"])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", GATES)
def test_network_is_layers_readout_and_head(cell: str, layers: int, readout: str) -> None:
    model = make(Model, "lstm", cell=cell, hidden=H, layers=layers, readout=readout)
    net = model.build(make_kit(act="tanh"), classes(T, F)).double()
    theirs = reference(cell, layers)
    cells = net.get_submodule("cells")
    assert isinstance(cells, nn.ModuleList)
    for index, module in enumerate(cells):
        copy_weights(theirs, module, 1.0, index)
    x = normal(B, T, F)
    states = theirs(x)[0]
    expected = net.get_submodule("head")(states.mean(1) if readout == "mean" else states[:, -1])
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", GATES)
def test_number_of_parameters(cell: str) -> None:
    net = make(Model, "lstm", cell=cell, hidden=H, layers=2).build(make_kit(norm="bn"), classes(T, F))
    biases = 2 if cell == "gru" else 1  # the reset gate of a gru stands between its two
    expected = sum(GATES[cell] * H * (size + H + biases) + 2 * H for size in (F, H)) + H * 3 + 3
    assert sum(p.numel() for p in net.parameters()) == expected


def test_normalisation_follows_each_layer_time_step_by_time_step() -> None:
    plain = make(Model, "lstm", hidden=H).build(make_kit(), classes(T, F)).double()
    normed = make(Model, "lstm", hidden=H).build(make_kit(norm="ln"), classes(T, F)).double()
    normed.load_state_dict(plain.state_dict(), strict=False)
    x = normal(B, T, F)
    last: Tensor = plain.get_submodule("cells.0")(x)[:, -1]
    mean, variance = last.mean(1, keepdim=True), last.var(1, correction=0, keepdim=True)
    expected = plain.get_submodule("head")((last - mean) / (variance + 1e-5).sqrt())
    torch.testing.assert_close(normed(x), expected, rtol=0, atol=1e-12)


def test_batch_norm_takes_its_statistics_over_batch_and_time() -> None:
    net = make(Model, "lstm", hidden=H, readout="mean").build(make_kit(norm="bn"), classes(T, F)).double()
    x = normal(B, T, F)
    states: Tensor = net.get_submodule("cells.0")(x)
    mean, variance = states.mean((0, 1)), states.var((0, 1), correction=0)
    expected = net.get_submodule("head")(((states - mean) / (variance + 1e-5).sqrt()).mean(1))
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-12)


def test_dropout_follows_the_recurrent_layer_and_not_the_state() -> None:
    dropout = make(Regularizer, "dropout", p=0.9)
    net = make(Model, "lstm", hidden=H).build(make_kit(reg={"dropout": dropout}), classes(T, F)).double()
    plain = make(Model, "lstm", hidden=H).build(make_kit(), classes(T, F)).double()
    plain.load_state_dict(net.state_dict())
    x = normal(B, T, F)
    torch.manual_seed(0)
    assert not torch.allclose(net(x), plain(x))
    first, second = (net.get_submodule("cells.0")(x) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(net.eval()(x), plain(x))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_each_gate_starts_orthogonal_by_itself(cell: str) -> None:
    net = make(Model, "lstm", cell=cell, hidden=H).build(make_kit(), classes(T, H)).double()
    initialize(net, make(Init, "orthogonal"), seed=0)
    for name in ("input", "recurrent"):
        weight = net.get_parameter(f"cells.0.{name}.weight")
        for gate in weight.split(H):
            torch.testing.assert_close(gate @ gate.T, torch.eye(H, dtype=torch.float64))


def test_the_forget_gate_starts_open_although_biases_start_at_zero() -> None:
    net = make(Model, "lstm", hidden=H, forget_bias=2.0).build(make_kit(), classes(T, F))
    initialize(net, make(Init, "zeros"), seed=0)
    assert all((p == 0).all() for name, p in net.named_parameters() if name.startswith("cells"))
    cell = net.get_submodule("cells.0").double()
    with torch.no_grad():
        cell.get_parameter("input.bias")[2 * H : 3 * H] = 1.0
    # i = o = ½, g = tanh 1, so that c grows by ½·tanh 1 and keeps the share σ(2) of what it was.
    keep, gain = torch.tensor(2.0).double().sigmoid(), 0.5 * torch.tensor(1.0).double().tanh()
    c, expected = torch.zeros((), dtype=torch.float64), []
    for _ in range(T):
        c = keep * c + gain
        expected.append(0.5 * c.tanh())
    states = cell(torch.randn(1, T, F, generator=generator(), dtype=torch.float64))
    torch.testing.assert_close(states[0], torch.stack(expected)[:, None].expand(T, H), rtol=0, atol=1e-12)
