"""Models of sequences: one prediction a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least, finite
from ablate.techniques import DataSpec, Model

if TYPE_CHECKING:
    from torch import nn

    from ablate.kit import Kit


class Cell(Enum):
    """Recurrent cell."""

    lstm = "lstm"
    gru = "gru"
    rnn = "rnn"


class Readout(Enum):
    """Which states the output sees: the last, the mean over time, or a mean with learned weights."""

    last = "last"
    mean = "mean"
    attention = "attention"


class Positions(Enum):
    """How a step knows its place: fixed sinusoids, learned vectors, or not at all."""

    sinusoidal = "sinusoidal"
    learned = "learned"
    none = "none"


@dataclass
class LSTM(Model):
    """Recurrent network: lstm, gru or rnn cells (the rnn takes its non-linearity from ``act``).

    readout: the last hidden state, the mean over time, or ``attention``, Σ αₜ hₜ with α = softmax over time of
    v·tanh(W hₜ + b) (Bahdanau et al. 2014, arXiv:1409.0473; Yang et al. 2016) · forget_bias: added to an lstm's
    forget gate, so that it starts open (Jozefowicz et al. 2015) · peepholes: an lstm's gates also see its cell,
    i, f = σ(… + p·c of the step before), o = σ(… + p·c) (Gers & Schmidhuber 2000; Gers et al. 2002); p starts at 0.
    """

    input_ranks: ClassVar[frozenset[int]] = frozenset({2})
    advice: ClassVar[str] = "It needs sequences and one prediction a sequence: data=digits_rows, or another model."
    cell: Cell = Cell.lstm
    hidden: int = 64
    layers: int = 1
    readout: Readout = Readout.last
    forget_bias: float = 1.0
    peepholes: bool = False

    def __post_init__(self) -> None:
        at_least(1, hidden=self.hidden, layers=self.layers)
        finite(forget_bias=self.forget_bias)
        if self.peepholes and self.cell is not Cell.lstm:
            raise ValueError(
                f"a {self.cell.value} has no cell state for peepholes: choose cell=lstm or peepholes=false"
            )

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import lstm

        return lstm.Recurrent(
            kit,
            spec,
            cell="peephole_lstm" if self.peepholes else self.cell.value,
            hidden=self.hidden,
            layers=self.layers,
            readout_by=self.readout.value,
            forget_bias=self.forget_bias,
        )

    def waives(self) -> Mapping[str, str]:
        """Return the contract that a cell with non-linearities of its own does not keep."""
        return {} if self.cell is Cell.rnn else {"has_its_activation": f"a cell={self.cell.name} has its own"}


@dataclass
class Attention(Model):
    """Transformer encoder: x + attention(x), then x + feedforward(x) (Vaswani et al. 2017, arXiv:1706.03762).

    Attention is softmax(Q Kᵀ / √(hidden / heads)) V in each of the ``heads``, the feed-forward act(x W + b) V + c has
    ``feedforward`` hidden units · layers: how many such blocks · positions: ``sinusoidal``, ``learned`` from zero
    on, or ``none``, which makes the model blind to order but for readout=last · readout: as of model=lstm.

    norm.position: ``pre``, before each branch and after the last block (Xiong et al. 2020, arXiv:2002.04745), or
    ``post``, after each sum, as in the paper.
    """

    input_ranks: ClassVar[frozenset[int]] = frozenset({2})
    advice: ClassVar[str] = "It needs sequences and one prediction a sequence: data=digits_rows, or another model."
    hidden: int = 64
    heads: int = 4
    feedforward: int = 256
    layers: int = 1
    positions: Positions = Positions.sinusoidal
    readout: Readout = Readout.mean

    def __post_init__(self) -> None:
        at_least(1, hidden=self.hidden, heads=self.heads, feedforward=self.feedforward, layers=self.layers)
        if self.hidden % self.heads:
            raise ValueError(f"hidden={self.hidden} units cannot be divided among heads={self.heads}")

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import attention

        return attention.Encoder(
            kit,
            spec,
            hidden=self.hidden,
            heads=self.heads,
            feedforward=self.feedforward,
            layers=self.layers,
            positions=self.positions.value,
            readout_by=self.readout.value,
        )
