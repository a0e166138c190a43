from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from ablate_plugins.networks.attention import SelfAttention, sinusoids
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import Kit, initialize
from ablate.techniques import Init, Model, Norm, Regularizer
from tests.helpers import classes, make, make_kit, normal, refusal

B, T, FEATURES, H, HEADS, WIDE = 3, 6, 4, 8, 2, 12


def built(kit: Kit, **params: Any) -> nn.Module:
    """Return a small network whose parameters are all random, in float64."""
    params = {"hidden": H, "heads": HEADS, "feedforward": WIDE, **params}
    net = make(Model, "attention", **params).build(kit, classes(T, FEATURES)).double()
    with torch.no_grad():
        for seed, parameter in enumerate(net.parameters()):
            parameter.copy_(0.5 * normal(*parameter.shape, seed=100 + seed))
    return net


def layer_norm_kit(position: str, act: str = "relu", reg: dict[str, Regularizer] | None = None) -> Kit:
    return replace(make_kit(act=act, reg=reg), norm=make(Norm, "ln", position=position))


def multihead(ours: SelfAttention) -> nn.MultiheadAttention:
    """Return torch's layer with the same weights; its bias of the keys is random, as it changes nothing."""
    theirs = nn.MultiheadAttention(H, ours.heads, batch_first=True).double()
    assert theirs.in_proj_bias is not None
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat((ours.query.weight, ours.key.weight, ours.value.weight)))
        theirs.out_proj.weight.copy_(ours.project.weight)
        theirs.in_proj_bias.copy_(torch.cat((torch.zeros(H), normal(H), torch.zeros(H))))
        theirs.out_proj.bias.zero_()
    return theirs


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_outputs_weights_and_gradients_are_torchs(heads: int) -> None:
    ours: SelfAttention = SelfAttention(H, heads).double()
    theirs = multihead(ours)
    x, upstream = normal(B, T, H).requires_grad_(), normal(B, T, H, seed=1)
    out, (expected, weights) = ours(x), theirs(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(ours.weights(x), weights, rtol=0, atol=1e-12)
    own = torch.autograd.grad(out, (x, ours.query.weight, ours.key.weight, ours.value.weight), upstream)
    torchs = torch.autograd.grad(expected, (x, theirs.in_proj_weight), upstream)
    torch.testing.assert_close((own[0], torch.cat(own[1:])), torchs, rtol=0, atol=1e-12)


def test_attention_weights_are_shares_of_all_steps() -> None:
    weights = SelfAttention(H, HEADS).double().weights(10 * normal(B, T, H))
    assert weights.shape == (B, HEADS, T, T)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, HEADS, T).double(), rtol=0, atol=1e-12)


def test_a_head_sees_its_own_units_alone() -> None:
    attend = SelfAttention(H, HEADS).double()
    initialize(attend, make(Init, "identity"), seed=0)
    x = normal(B, T, H)
    parts = x.split(H // HEADS, dim=2)
    expected = [(part @ part.transpose(1, 2) / math.sqrt(H / HEADS)).softmax(2) @ part for part in parts]
    torch.testing.assert_close(attend(x), torch.cat(expected, 2), rtol=0, atol=1e-12)


@pytest.mark.parametrize("act", ["relu", "gelu"])
@pytest.mark.parametrize("position", ["pre", "post"])
@pytest.mark.parametrize("layers", [1, 3])
def test_blocks_with_layer_normalisation_are_torchs_transformer(layers: int, position: str, act: str) -> None:
    net = built(layer_norm_kit(position, act), layers=layers, positions="none")
    blocks = net.get_submodule("blocks")
    assert isinstance(blocks, nn.Sequential)
    norms = [m for m in blocks.modules() if isinstance(m, nn.GroupNorm)]
    attentions = [m for m in blocks.modules() if isinstance(m, SelfAttention)]
    linears = [m for m in blocks.modules() if isinstance(m, nn.Linear) and m.bias is not None]
    assert (len(norms), len(attentions), len(linears)) == (2 * layers + (position == "pre"), layers, 2 * layers)

    def like(source: nn.GroupNorm) -> nn.LayerNorm:
        made = nn.LayerNorm(H).double()
        made.load_state_dict(source.state_dict())
        return made

    x = expected = normal(B, T, H)
    for index, attend in enumerate(attentions):
        torchs = nn.TransformerEncoderLayer(
            H, HEADS, WIDE, dropout=0.0, activation=act, batch_first=True, norm_first=position == "pre"
        ).double()
        torchs.self_attn = multihead(attend)
        torchs.norm1, torchs.norm2 = (like(norm) for norm in norms[2 * index : 2 * index + 2])
        torchs.linear1, torchs.linear2 = linears[2 * index : 2 * index + 2]
        expected = torchs(expected)
    if position == "pre":
        expected = like(norms[-1])(expected)
    torch.testing.assert_close(blocks(x), expected, rtol=1e-12, atol=1e-12)


class Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


@dataclass
class Doubled(Regularizer):
    """x → 2·x."""

    def layer(self, features: int, spatial: int) -> nn.Module:
        return Double()


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "none"])
@pytest.mark.parametrize("position", ["pre", "post"])
def test_network_follows_the_formula(position: str, positions: str) -> None:
    net = built(layer_norm_kit(position, "tanh", {"doubled": Doubled()}), positions=positions)
    x = normal(B, T, FEATURES)
    attend = next(m for m in net.modules() if isinstance(m, SelfAttention))
    embed, first, second, head = (m for m in net.modules() if isinstance(m, nn.Linear) and m.bias is not None)
    norms = iter([m for m in net.modules() if isinstance(m, nn.GroupNorm)])

    def norm(h: Tensor) -> Tensor:
        own = next(norms)
        return F.layer_norm(h, (H,), own.weight, own.bias, own.eps)

    place = torch.zeros(T, H)
    if positions == "sinusoidal":
        place = sinusoids(T, H).float()
    elif positions == "learned":
        place = next(p for p in net.parameters() if p.shape == (T, H))
    h = 2 * (embed(x) + place)
    if position == "pre":
        h = h + 2 * attend(norm(h))
        h = h + 2 * second(first(norm(h)).tanh())
        h = norm(h)
    else:
        h = norm(h + 2 * attend(h))
        h = norm(h + 2 * second(first(h).tanh()))
    torch.testing.assert_close(net(x), head(h.mean(1)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("hidden", [7, 8])
def test_sinusoids_by_formula(hidden: int) -> None:
    found = sinusoids(50, hidden)
    for t in (0, 1, 49):
        for h in range(hidden):
            angle = t / 10000 ** (2 * (h // 2) / hidden)
            assert found[t, h].item() == pytest.approx(math.cos(angle) if h % 2 else math.sin(angle), abs=1e-12)


def test_learned_positions_start_at_zero_and_are_all_learned() -> None:
    net = make(Model, "attention", positions="learned").build(make_kit(), classes(20, FEATURES))
    (vectors,) = (p for p in net.parameters() if p.shape == (20, 64))
    assert (vectors == 0).all()
    net(torch.randn(B, 20, FEATURES)).square().sum().backward()
    assert vectors.grad is not None
    assert (vectors.grad.abs().sum(1) > 0).all()


@pytest.mark.parametrize("readout", ["mean", "attention", "last"])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "none"])
def test_only_positions_and_the_last_step_know_the_order(positions: str, readout: str) -> None:
    net = built(make_kit(), positions=positions, readout=readout)
    x = normal(B, T, FEATURES)
    shuffled = x[:, torch.tensor([3, 0, 5, 2, 1, 4])]
    same = torch.allclose(net(shuffled), net(x), rtol=0, atol=1e-12)
    assert same is (positions == "none" and readout != "last")


@pytest.mark.parametrize(("layers", "positions"), [(1, "sinusoidal"), (2, "learned"), (3, "none")])
def test_number_of_parameters(layers: int, positions: str) -> None:
    net = built(make_kit(norm="bn"), layers=layers, positions=positions)
    block = 4 * H * H + H * WIDE + WIDE + WIDE * H + H + 2 * 2 * H
    expected = FEATURES * H + H + layers * block + 2 * H + H * 3 + 3 + (T * H if positions == "learned" else 0)
    assert sum(p.numel() for p in net.parameters()) == expected


def test_each_projection_starts_orthogonal_by_itself() -> None:
    net = built(make_kit())
    initialize(net, make(Init, "orthogonal"), seed=0)
    projections = [m for m in net.modules() if isinstance(m, nn.Linear) and m.bias is None]
    assert len(projections) == 4
    for layer in projections:
        weight = layer.get_parameter("weight")
        torch.testing.assert_close(weight @ weight.T, torch.eye(H, dtype=torch.float64))


def test_heads_must_divide_the_hidden_units() -> None:
    assert "hidden=64 units cannot be divided among heads=5" in refusal(Model, "attention", heads=5)
