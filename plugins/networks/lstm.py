"""Recurrent network with a choice of cell.

Shapes: B batch · T time · F features of the input or of the layer below · H hidden units.
Each cell computes its part of the input for all time steps at once, then walks through time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ablate.kit import GatedLinear, Kit, any_leading_dims
from ablate.techniques import DataSpec

from .readout import readout
from .stepwise import Stepwise


class LSTMCell(nn.Module):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    i, f, o = σ(…), g = tanh(…); c ← f·c + i·g; h ← o·tanh(c).
    """

    def __init__(self, features: int, hidden: int, kit: Kit, forget_bias: float) -> None:
        super().__init__()
        self.hidden = hidden
        self.forget_bias = forget_bias  # added to the gate, not stored in its bias: initialisers zero that
        self.input = GatedLinear(features, hidden, gates=4)
        self.recurrent = GatedLinear(hidden, hidden, gates=4, bias=False)

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, F) to every hidden state (B, T, H)."""
        h = c = x.new_zeros(*x.shape[:-2], self.hidden)
        states = []
        for z in self.input(x).unbind(-2):
            i, f, g, o = (z + self.recurrent(h)).chunk(4, dim=-1)  # each (B, H)
            c = (f + self.forget_bias).sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            states.append(h)
        return torch.stack(states, -2)


class PeepholeLSTMCell(LSTMCell):
    """LSTM whose gates see the cell (Gers & Schmidhuber 2000; Gers et al. 2002, JMLR 3), each unit its own.

    i, f = σ(… + p·c) with the cell of the step before, o = σ(… + p·c) with the new one. The p start at zero, so that
    the network is at first the one without them. They are vectors, like biases: no initialiser and no penalty on
    the weights of layers is for them.
    """

    def __init__(self, features: int, hidden: int, kit: Kit, forget_bias: float) -> None:
        super().__init__(features, hidden, kit, forget_bias)
        self.peepholes = nn.Parameter(torch.zeros(3 * hidden))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, F) to every hidden state (B, T, H)."""
        h = c = x.new_zeros(*x.shape[:-2], self.hidden)
        p_i, p_f, p_o = self.peepholes.chunk(3)  # each (H,)
        states = []
        for z in self.input(x).unbind(-2):
            i, f, g, o = (z + self.recurrent(h)).chunk(4, dim=-1)  # each (B, H)
            keep, write = (f + p_f * c + self.forget_bias).sigmoid(), (i + p_i * c).sigmoid()
            c = keep * c + write * g.tanh()
            h = (o + p_o * c).sigmoid() * c.tanh()
            states.append(h)
        return torch.stack(states, -2)


class GRUCell(nn.Module):
    """Gated recurrent unit (Cho et al. 2014, arXiv:1406.1078), with the reset gate after the product.

    r, z = σ(…); n = tanh(Wx + b + r·(Uh + d)); h ← (1 - z)·n + z·h.
    """

    def __init__(self, features: int, hidden: int, kit: Kit, forget_bias: float) -> None:
        super().__init__()
        self.hidden = hidden
        self.input = GatedLinear(features, hidden, gates=3)
        self.recurrent = GatedLinear(hidden, hidden, gates=3)

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, F) to every hidden state (B, T, H)."""
        h = x.new_zeros(*x.shape[:-2], self.hidden)
        states = []
        for step in self.input(x).unbind(-2):
            r, z, n = step.chunk(3, dim=-1)  # each (B, H)
            r_h, z_h, n_h = self.recurrent(h).chunk(3, dim=-1)
            z = (z + z_h).sigmoid()
            n = (n + (r + r_h).sigmoid() * n_h).tanh()
            h = (1 - z) * n + z * h
            states.append(h)
        return torch.stack(states, -2)


class RNNCell(nn.Module):
    """Simple recurrence (Elman 1990): h ← act(Wx + b + Uh), its non-linearity from the kit."""

    def __init__(self, features: int, hidden: int, kit: Kit, forget_bias: float) -> None:
        super().__init__()
        self.hidden = hidden
        self.act = kit.act.build()
        self.input = nn.Linear(features, hidden)
        self.recurrent = nn.Linear(hidden, hidden, bias=False)

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, F) to every hidden state (B, T, H)."""
        h = x.new_zeros(*x.shape[:-2], self.hidden)
        states = []
        for z in self.input(x).unbind(-2):
            h = self.act(z + self.recurrent(h))
            states.append(h)
        return torch.stack(states, -2)


CELLS = {"lstm": LSTMCell, "peephole_lstm": PeepholeLSTMCell, "gru": GRUCell, "rnn": RNNCell}


class Recurrent(nn.Module):
    """``layers`` recurrent layers of one kind of cell, a readout and a linear output: (B, T, F) → (B, outputs).

    Normalisation and regularizer layers of the kit follow each recurrent layer, time step by time step.
    """

    def __init__(
        self, kit: Kit, spec: DataSpec, *, cell: str, hidden: int, layers: int, readout_by: str, forget_bias: float
    ) -> None:
        super().__init__()
        sizes = [spec.input_shape[1], *[hidden] * layers]
        self.cells = nn.ModuleList(CELLS[cell](size, hidden, kit, forget_bias) for size in sizes[:-1])
        self.after = nn.ModuleList(
            Stepwise(kit.norm.build(hidden, spatial=0), *kit.reg_layers(hidden)) for _ in range(layers)
        )
        self.head = nn.Linear(hidden, spec.outputs)
        self.readout = readout(readout_by, hidden)  # after the head: the other weights start alike for all readouts

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, F) to (B, outputs)."""
        for cell, after in zip(self.cells, self.after, strict=True):
            x = after(cell(x))  # (B, T, H)
        out: Tensor = self.head(self.readout(x))
        return out
