from __future__ import annotations

import pytest
import torch
from ablate_plugins.networks.readout import AttentionPooling, readout

from ablate.kit import initialize
from ablate.techniques import Init, Model
from tests.helpers import classes, make, make_kit, normal

B, T, H = 3, 7, 4


def test_last_and_mean() -> None:
    states = normal(B, T, H)
    assert torch.equal(readout("last", H)(states), states[:, 6])
    torch.testing.assert_close(readout("mean", H)(states), sum(states.unbind(1)) / T, rtol=0, atol=1e-12)


def test_attention_pooling_follows_the_formula() -> None:
    pool, states = AttentionPooling(H).double(), normal(B, T, H)
    w, b, v = (pool.get_parameter(name) for name in ("project.weight", "project.bias", "score.weight"))
    for example, pooled in zip(states, pool(states), strict=True):
        scores = torch.stack([v[0] @ (w @ h + b).tanh() for h in example])
        shares = scores.exp() / scores.exp().sum()
        expected = sum(share * h for share, h in zip(shares, example, strict=True))
        torch.testing.assert_close(pooled, expected, rtol=0, atol=1e-12)


def test_attention_weights_are_shares_of_time() -> None:
    weights = AttentionPooling(H).double().weights(100 * normal(B, T, H))
    assert weights.shape == (B, T, 1)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(B, 1, dtype=torch.float64), rtol=0, atol=1e-12)


def test_attention_without_a_preference_is_the_mean_and_with_a_strong_one_a_single_state() -> None:
    pool, states = AttentionPooling(H).double(), normal(B, T, H)
    initialize(pool, make(Init, "zeros"), seed=0)
    torch.testing.assert_close(pool(states), states.mean(1), rtol=0, atol=1e-12)
    initialize(pool, make(Init, "identity"), seed=0)
    with torch.no_grad():
        pool.get_parameter("score.weight").copy_(torch.tensor([[1e4, 0, 0, 0]]))
    chosen = states[..., 0].argmax(1)
    torch.testing.assert_close(pool(states), states[torch.arange(B), chosen], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["lstm", "attention"])
def test_the_other_weights_start_alike_for_all_readouts(name: str) -> None:
    starts = []
    for by in ("last", "mean", "attention"):
        torch.manual_seed(0)
        net = make(Model, name, hidden=H, readout=by).build(make_kit(), classes(T, 2))
        initialize(net, make(Init, "he"), seed=0)
        starts.append({key: value for key, value in net.state_dict().items() if not key.startswith("readout")})
    assert list(starts[0]) == list(starts[1]) == list(starts[2])
    assert all(torch.equal(start[key], starts[0][key]) for start in starts[1:] for key in start)
