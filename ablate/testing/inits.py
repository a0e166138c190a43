"""What an initialiser promises."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ablate.kit import GatedLinear, initialize, weight_layers
from ablate.techniques import Init, Signal
from ablate.testing.contract import Scope, contract, demand, seed_torch


def _layers() -> nn.ModuleList:
    """Return every sort of layer that an initialiser meets, its weights not yet numbers."""
    made = nn.ModuleList(
        (
            nn.Linear(6, 4),
            nn.Linear(5, 5),
            nn.Conv1d(3, 4, 3),
            nn.Conv2d(4, 8, 3, stride=2, groups=2),
            nn.ConvTranspose2d(6, 4, 2, stride=2),
            GatedLinear(5, 4, gates=3),
        )
    )
    with torch.no_grad():
        for layer in weight_layers(made):
            layer.weight.fill_(torch.nan)
    return made


def _filled(technique: Init, layers: nn.Module) -> list[Tensor]:
    initialize(layers, technique, seed=0)
    return [layer.weight.detach() for layer in weight_layers(layers)]


@contract("init", scope=Scope.generated)
def fills_every_weight(technique: Init) -> None:
    """``fill`` writes a finite number into every element of ``weight``, in place.

    Linear, convolutional, transposed and gated layers, in float32 and float64. A gate's block is a view of the whole.
    """
    for dtype in (torch.float32, torch.float64):
        for weight in _filled(technique, _layers().to(dtype)):
            demand(
                bool(weight.isfinite().all()),
                f"a weight of shape {tuple(weight.shape)} is not filled with finite numbers. Write in place "
                "(weight.normal_, weight.copy_), whatever its number of dims.",
            )


@contract("init")
def draws_from_the_generator(technique: Init) -> None:
    """All that is random comes from the ``generator`` that is given, so that arms start from the same weights."""
    layers, others = _layers(), _layers()
    seed_torch(1)
    before = torch.get_rng_state()
    first = _filled(technique, layers)
    untouched = torch.equal(before, torch.get_rng_state())
    seed_torch(2)
    second = _filled(technique, others)
    demand(
        untouched and all(map(torch.equal, first, second)),
        "it draws from torch's global random numbers. Pass generator=generator to normal_, uniform_, torch.randn.",
    )


@contract("init")
def keeps_the_promised_variance(technique: Init) -> None:
    """Weights that promise (``preserves``) to keep the variance of a signal keep it whatever the layer's width.

    Forward: the variance times fan_in is the same for narrow, wide, widening and narrowing layers, within a tenth.
    Backward: times fan_out.
    """
    if technique.preserves is None:
        return
    scaled = []
    for into, out in ((64, 64), (64, 512), (512, 64), (256, 256)):
        weight = torch.empty(out, into, dtype=torch.float64)
        technique.fill(weight, into, out, torch.Generator().manual_seed(0))
        fan = into if technique.preserves is Signal.forward else out
        scaled.append(float(weight.var(correction=0)) * fan)
    side = "fan_in" if technique.preserves is Signal.forward else "fan_out"
    demand(
        max(scaled) < 1.1 * min(scaled),
        f"its variance times {side} runs from {min(scaled):.3g} to {max(scaled):.3g}. Divide the variance by {side}, "
        "or do not promise it in `preserves`.",
    )
