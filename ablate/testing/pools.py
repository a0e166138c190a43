"""What pooling promises beside what all layers do."""

from __future__ import annotations

import torch

from ablate.techniques import Pool
from ablate.testing.contract import Scope, contract, demand
from ablate.testing.places import places


@contract("pool", scope=Scope.generated)
def keeps_a_constant_constant(technique: Pool) -> None:
    """A constant map stays constant in each channel, whatever the padding: the border is like the rest."""
    for place in places(technique):
        y = place.made()(torch.ones(place.shape, dtype=torch.float64)).detach().flatten(2)  # (B, C, S')
        spread = float((y - y[:, :, :1]).abs().max())
        demand(
            spread < 1e-9,
            f"{place.where} a map of ones comes out with differences of {spread:.3g}. Do not count padding "
            "(count_include_pad=False), and pad a maximum with -∞.",
        )


@contract("pool", scope=Scope.generated)
def does_not_mix_channels(technique: Pool) -> None:
    """Each channel's output depends on that channel alone; a learned reduction waives this."""
    for place in places(technique):
        module = place.made()
        x = place.input()
        changed = x.clone()
        changed[:, 0] += 1 + place.input(seed=1)[:, 0]
        same = torch.equal(module(x)[:, 1:], module(changed)[:, 1:])
        demand(same, f"{place.where} a change in one channel shows in another. Pool each channel by itself.")
