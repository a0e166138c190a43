"""Models: networks assembled from the kit.

Their networks stand in ``models/`` and are imported when one is built: a listing needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least, finite
from ablate.hookspecs import Register, hookimpl
from ablate.techniques import DataSpec, Model, Task

if TYPE_CHECKING:
    from torch import nn

    from ablate.kit import Kit


@dataclass
class MLP(Model):
    """Multilayer perceptron; inputs of any shape are flattened.

    residual: pre-norm blocks, x + W·act(norm(x)), from the second hidden layer on.
    """

    advice: ClassVar[str] = "It gives one prediction an example; for one a pixel choose model=fcn."
    depth: int = 2
    width: int = 128
    residual: bool = False

    def __post_init__(self) -> None:
        at_least(1, depth=self.depth, width=self.width)

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from .models import mlp

        return mlp.MLP(kit, spec, depth=self.depth, width=self.width, residual=self.residual)


class Head(Enum):
    """From feature maps to a prediction: a linear layer on all of them, or on each channel's mean."""

    fc = "fc"
    gap = "gap"


@dataclass
class CNN(Model):
    """Convolutional network: stages of convolutions with pooling after each.

    channels: one stage each · convs: convolutions a stage, the first with ``stride`` · padding: pixels, or
    null to keep the size · residual: pre-norm blocks, x + conv(act(norm(x))), within a stage · head: ``fc``
    linear layer on all features, ``gap`` on each channel's mean.
    """

    input_ranks: ClassVar[frozenset[int]] = frozenset({3})
    advice: ClassVar[str] = "It needs images and one prediction an image: data=digits, or model=mlp, lstm or fcn."
    channels: list[int] = field(default_factory=lambda: [16, 32])
    convs: int = 2
    kernel_size: int = 3
    stride: int = 1
    padding: int | None = None
    dilation: int = 1
    head: Head = Head.fc
    residual: bool = False

    def __post_init__(self) -> None:
        at_least(1, convs=self.convs, stride=self.stride, dilation=self.dilation, kernel_size=self.kernel_size)
        at_least(0, padding=self.padding)
        _check_channels(self.channels)
        if self.padding is None:
            if self.dilation * (self.kernel_size - 1) % 2:
                raise ValueError(f"an even kernel_size ({self.kernel_size}) cannot keep the size: set padding")
        elif self.residual and 2 * self.padding != self.dilation * (self.kernel_size - 1):
            raise ValueError(f"residual blocks keep the size, padding={self.padding} does not: use padding=null")

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from .models import cnn

        return cnn.CNN(
            kit,
            spec,
            channels=self.channels,
            convs=self.convs,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.dilation * (self.kernel_size - 1) // 2 if self.padding is None else self.padding,
            dilation=self.dilation,
            residual=self.residual,
            gap=self.head is Head.gap,
        )


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
        from .models import lstm

        return lstm.Recurrent(
            kit,
            spec,
            cell=self.cell.name,
            hidden=self.hidden,
            layers=self.layers,
            mean=self.readout is Readout.mean,
            forget_bias=self.forget_bias,
        )


class Upsampling(Enum):
    """The way back to the input's size: learned transposed convolution, or bilinear interpolation."""

    transposed = "transposed"
    bilinear = "bilinear"


@dataclass
class FCN(Model):
    """Fully convolutional encoder and decoder: one prediction a pixel.

    channels: one stage each · skips: the decoder also sees the encoder's maps (U-Net) · up: ``transposed``
    or ``bilinear`` · dilation: of the encoder's second convolutions and the bottom.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.segmentation})
    input_ranks: ClassVar[frozenset[int]] = frozenset({3})
    advice: ClassVar[str] = "It needs images with a label for every pixel: data=digits_canvas, or model=cnn."
    channels: list[int] = field(default_factory=lambda: [16, 32])
    kernel_size: int = 3
    dilation: int = 1
    skips: bool = True
    up: Upsampling = Upsampling.transposed

    def __post_init__(self) -> None:
        at_least(1, dilation=self.dilation, kernel_size=self.kernel_size)
        _check_channels(self.channels)
        if self.kernel_size % 2 == 0:
            raise ValueError(f"an even kernel_size ({self.kernel_size}) cannot keep the size: take an odd one")

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from .models import fcn

        return fcn.FCN(
            kit,
            spec,
            channels=self.channels,
            kernel_size=self.kernel_size,
            dilation=self.dilation,
            skips=self.skips,
            bilinear=self.up is Upsampling.bilinear,
        )


def _check_channels(channels: Sequence[int]) -> None:
    if not channels or min(channels) < 1:
        raise ValueError(f"channels must list at least one positive number, not {channels}")


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the models."""
    register("mlp", MLP)
    register("cnn", CNN)
    register("lstm", LSTM)
    register("fcn", FCN)
