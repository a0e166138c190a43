"""Models of images: one prediction an image."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least
from ablate.techniques import DataSpec, Model

from .checks import check_channels

if TYPE_CHECKING:
    from torch import nn

    from ablate.kit import Kit


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
        check_channels(self.channels)
        if self.padding is None:
            if self.dilation * (self.kernel_size - 1) % 2:
                raise ValueError(f"an even kernel_size ({self.kernel_size}) cannot keep the size: set padding")
        elif self.residual and 2 * self.padding != self.dilation * (self.kernel_size - 1):
            raise ValueError(f"residual blocks keep the size, padding={self.padding} does not: use padding=null")

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import cnn

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
