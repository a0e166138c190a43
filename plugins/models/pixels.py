"""Models of images with one prediction a pixel."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least
from ablate.techniques import DataSpec, Model, Task

from .checks import check_channels

if TYPE_CHECKING:
    from torch import nn

    from ablate.kit import Kit


class Upsampling(Enum):
    """The way back to the input's size: learned transposed convolution, or bilinear interpolation."""

    transposed = "transposed"
    bilinear = "bilinear"


@dataclass
class FCN(Model):
    """Fully convolutional encoder and decoder: one prediction a pixel.

    channels: one stage each · decoder_convs: convolutions of the bottom and of each stage of the decoder; the
    encoder has two a stage · skips: the decoder also sees the encoder's maps (U-Net) · up: ``transposed`` or
    ``bilinear`` · dilation: of the encoder's second convolutions and the bottom.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.segmentation})
    input_ranks: ClassVar[frozenset[int]] = frozenset({3})
    advice: ClassVar[str] = "It needs images with a label for every pixel: data=digits_canvas, or model=cnn."
    channels: list[int] = field(default_factory=lambda: [16, 32])
    kernel_size: int = 3
    dilation: int = 1
    decoder_convs: int = 1
    skips: bool = True
    up: Upsampling = Upsampling.transposed

    def __post_init__(self) -> None:
        at_least(1, dilation=self.dilation, kernel_size=self.kernel_size)
        at_least(1, decoder_convs=self.decoder_convs)
        check_channels(self.channels)
        if self.kernel_size % 2 == 0:
            raise ValueError(f"an even kernel_size ({self.kernel_size}) cannot keep the size: take an odd one")

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import fcn

        return fcn.FCN(
            kit,
            spec,
            channels=self.channels,
            kernel_size=self.kernel_size,
            dilation=self.dilation,
            decoder_convs=self.decoder_convs,
            skips=self.skips,
            bilinear=self.up is Upsampling.bilinear,
        )


@dataclass
class UNet(FCN):
    """U-Net: encoder and decoder of equal weight, joined at every size (Ronneberger et al. 2015, arXiv:1505.04597).

    The fcn with a third stage and two convolutions wherever the paper has two; skips=false takes the joints away.
    Unlike the paper's, its convolutions keep the size, and the bottom is as wide as the last stage.
    """

    channels: list[int] = field(default_factory=lambda: [16, 32, 64])
    decoder_convs: int = 2
