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
    """Which hidden states the output sees: the last, or the mean over time."""

    last = "last"
    mean = "mean"


@dataclass
class LSTM(Model):
    """Recurrent network: lstm, gru or rnn cells (the rnn takes its non-linearity from ``act``).

    readout: the last hidden state or the mean over time · forget_bias: added to an lstm's forget gate, so
    that it starts open (Jozefowicz et al. 2015).
    """

    input_ranks: ClassVar[frozenset[int]] = frozenset({2})
    advice: ClassVar[str] = "It needs sequences and one prediction a sequence: data=digits_rows, or another model."
    cell: Cell = Cell.lstm
    hidden: int = 64
    layers: int = 1
    readout: Readout = Readout.last
    forget_bias: float = 1.0

    def __post_init__(self) -> None:
        at_least(1, hidden=self.hidden, layers=self.layers)
        finite(forget_bias=self.forget_bias)

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import lstm

        return lstm.Recurrent(
            kit,
            spec,
            cell=self.cell.name,
            hidden=self.hidden,
            layers=self.layers,
            mean=self.readout is Readout.mean,
            forget_bias=self.forget_bias,
        )

    def waives(self) -> Mapping[str, str]:
        """Return the contract that a cell with non-linearities of its own does not keep."""
        return {} if self.cell is Cell.rnn else {"has_its_activation": f"a cell={self.cell.name} has its own"}
