from __future__ import annotations

import pytest
import torch
from ablate_plugins.networks.lstm import LSTMCell, PeepholeLSTMCell
from torch import Tensor, nn

from ablate.kit import initialize
from ablate.techniques import Init, Model, Regularizer
from tests.helpers import classes, make, make_kit, normal, refusal

B, T, F, H = 3, 6, 4, 5


def cell(forget_bias: float = 1.0) -> PeepholeLSTMCell:
    made: PeepholeLSTMCell = PeepholeLSTMCell(F, H, make_kit(), forget_bias).double()
    with torch.no_grad():
        made.peepholes.copy_(normal(3 * H, seed=9))
    return made


def by_hand(net: nn.Module, x: Tensor, forget_bias: float) -> Tensor:
    """Walk through time, gate by gate, with the peepholes as diagonal matrices."""
    wi, wf, wg, wo = net.get_parameter("input.weight").split(H)
    bi, bf, bg, bo = net.get_parameter("input.bias").split(H)
    ui, uf, ug, uo = net.get_parameter("recurrent.weight").split(H)
    pi, pf, po = (torch.diag(p) for p in net.get_parameter("peepholes").split(H))
    h = c = torch.zeros(len(x), H, dtype=torch.float64)
    states = []
    for t in range(x.shape[1]):
        i = torch.sigmoid(x[:, t] @ wi.T + bi + h @ ui.T + c @ pi)
        f = torch.sigmoid(x[:, t] @ wf.T + bf + h @ uf.T + c @ pf + forget_bias)
        g = torch.tanh(x[:, t] @ wg.T + bg + h @ ug.T)
        c = f * c + i * g
        o = torch.sigmoid(x[:, t] @ wo.T + bo + h @ uo.T + c @ po)
        h = o * torch.tanh(c)
        states.append(h)
    return torch.stack(states, 1)


@pytest.mark.parametrize("forget_bias", [1.0, -0.5])
def test_states_and_gradients_follow_the_formula(forget_bias: float) -> None:
    net, x, upstream = cell(forget_bias), normal(B, T, F), normal(B, T, H, seed=1)
    parameters = list(net.parameters())
    states, expected = net(x), by_hand(net, x, forget_bias)
    torch.testing.assert_close(states, expected, rtol=0, atol=1e-12)
    gradients = [torch.autograd.grad(out, parameters, upstream) for out in (states, expected)]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-10, atol=1e-10)


def test_input_and_forget_gate_see_the_cell_of_the_step_before_and_the_output_gate_the_new_one() -> None:
    net, x = cell(), normal(B, 1, F)
    gradient = torch.autograd.grad(net(x).sum(), net.get_parameter("peepholes"))[0]
    i, f, o = gradient.split(H)
    assert (i == 0).all()  # before the first step, the cell is empty
    assert (f == 0).all()
    assert (o != 0).all()


def test_peepholes_start_at_zero_where_the_cell_is_torchs_lstm() -> None:
    ours, theirs = PeepholeLSTMCell(F, H, make_kit(), 0.0).double(), nn.LSTM(F, H, batch_first=True).double()
    assert (ours.peepholes == 0).all()
    weights = dict(theirs.named_parameters())
    with torch.no_grad():
        ours.input.weight.copy_(weights["weight_ih_l0"])
        ours.input.bias.copy_(weights["bias_ih_l0"] + weights["bias_hh_l0"])
        ours.recurrent.weight.copy_(weights["weight_hh_l0"])
    x = normal(B, T, F)
    torch.testing.assert_close(ours(x), theirs(x)[0], rtol=0, atol=1e-12)


def test_with_and_without_peepholes_the_other_weights_start_alike() -> None:
    models = [make(Model, "lstm", hidden=H, layers=2, peepholes=peepholes) for peepholes in (True, False)]
    nets = [model.build(make_kit(), classes(T, F)) for model in models]
    for net in nets:
        initialize(net, make(Init, "he"), seed=0)
    with_peepholes, plain = (net.state_dict() for net in nets)
    extra = sorted(with_peepholes.keys() - plain.keys())
    assert extra == ["cells.0.peepholes", "cells.1.peepholes"]
    assert all(torch.equal(with_peepholes[name], plain[name]) for name in plain)
    assert all((with_peepholes[name] == 0).all() for name in extra)
    x = torch.randn(B, T, F)
    torch.testing.assert_close(nets[0](x), nets[1](x))


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_penalties_leave_the_peepholes_alone(name: str) -> None:
    net, penalty = cell(), make(Regularizer, name, bias=True)
    plain = LSTMCell(F, H, make_kit(), 1.0).double()
    plain.load_state_dict(net.state_dict(), strict=False)
    assert penalty.penalty(net) == penalty.penalty(plain)


@pytest.mark.parametrize("other", ["gru", "rnn"])
def test_a_cell_without_cell_state_has_no_peepholes(other: str) -> None:
    reason = refusal(Model, "lstm", cell=other, peepholes=True)
    assert f"a {other} has no cell state for peepholes: choose cell=lstm or peepholes=false" in reason
