"""What gradients are multiplied by on their way back through the steps of a recurrent network.

Shapes: B sequences · T steps · D inputs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ablate.exact import Checked
from ablate.lazy import torch

from ..activation import Tanh
from ..init import Orthogonal
from ..models.sequences import LSTM, Cell
from .build import kit_of, regression

if TYPE_CHECKING:
    from torch import Tensor


def lstm_gradient_growth(gain: float = 2.0, steps: int = 50, networks: int = 10) -> Checked:
    """Growth of a gradient through the steps of an lstm, in decades, in the mean over networks: at most one.

    Measured at the start of training, as the length of the gradient of the last state by the first input over that by
    the last one. ``gain`` times orthogonal weights make the gradient of a plain network with tanh grow.
    """
    lstm, plain = (_decades(cell, gain, steps, networks) for cell in (Cell.lstm, Cell.rnn))
    return Checked(
        lstm,
        1.0,
        f"Back through {steps} steps with weights {gain:g} times orthogonal ones the gradient grows by {lstm:.2g} "
        f"decades in an lstm, and by {plain:.2g} in a simple recurrent network with tanh (negative: it shrinks)",
    )


def distinct_weights_cancel(steps: int = 50, gain: float = 1.5, draws: int = 200, size: int = 24) -> Checked:
    """Growth of a gradient through ``steps`` random matrices, all the same one or each its own: decades, in the mean.

    Distinct ones would have to grow by less than half of what one repeated does.
    """
    generator = torch.Generator().manual_seed(0)

    def matrix() -> Tensor:
        return gain * torch.randn(size, size, generator=generator, dtype=torch.float64) / math.sqrt(size)

    def growth(tied: bool) -> Tensor:
        found = []
        for _ in range(draws):
            v, one, decades = torch.randn(size, generator=generator, dtype=torch.float64), matrix(), 0.0
            v /= v.norm()
            for _ in range(steps):
                v = (one if tied else matrix()) @ v
                decades += math.log10(float(v.norm()))
                v /= v.norm()
            found.append(decades)
        return torch.tensor(found)

    tied, distinct = growth(tied=True), growth(tied=False)
    return Checked(
        float(distinct.mean() / tied.mean()),
        0.5,
        f"Through {steps} matrices the gradient grows by {float(tied.mean()):.3g} decades in the mean where it is one "
        f"repeated, and {float(distinct.mean()):.3g} where each is another; what differs is the spread over draws, "
        f"{float(tied.std()):.2g} and {float(distinct.std()):.2g} decades",
    )


def _decades(cell: Cell, gain: float, steps: int, networks: int) -> float:
    from ablate.kit import initialize

    init = Orthogonal(gain=gain)
    found = 0.0
    for seed in range(networks):
        net = LSTM(cell=cell, hidden=24).build(kit_of(act=Tanh(), init=init), regression(steps, 2)).double()
        initialize(net, init, seed)
        x = torch.rand(16, steps, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        (gradient,) = torch.autograd.grad(net(x.requires_grad_()).sum(), x)  # (B, T, D)
        first, last = gradient[:, 0].norm(), gradient[:, -1].norm()
        found += math.log10(float(first / last)) / networks
    return found
