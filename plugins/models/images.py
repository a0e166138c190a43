"""Models of images: one prediction an image."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least, positive
from ablate.techniques import DataSpec, Model

from ..layers.forms import Form
from .checks import check_channels

if TYPE_CHECKING:
    from torch import nn

    from ablate.kit import Kit


class Head(Enum):
    """From feature maps to a prediction: layers on all of their features, or on each channel's mean."""

    fc = "fc"
    gap = "gap"


@dataclass
class ImageModel(Model):
    """Feature maps and a head.

    channels: of the maps, one stage each · head: ``fc`` from all features, ``gap`` from each channel's mean ·
    head_widths: units of its hidden layers; none is a linear layer.
    """

    input_ranks: ClassVar[frozenset[int]] = frozenset({3})
    advice: ClassVar[str] = "It needs images and one prediction an image: data=digits, or model=mlp, lstm or fcn."
    channels: list[int] = field(default_factory=lambda: [16, 32])
    head: Head = Head.fc
    head_widths: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_channels(self.channels)
        at_least(1, head_widths=min(self.head_widths, default=1))


@dataclass
class CNN(ImageModel):
    """Convolutional network: stages of convolutions with pooling after each.

    convs: convolutions a stage, the first with ``stride`` · padding: pixels, or null to keep the size · pooling:
    whether the chosen pool stands after each stage.

    residual: form of the blocks, each of ``block`` convolutions W: ``none`` h(W·x), h being normalisation and
    activation; ``pre`` x + s·W·h(x); ``post`` act(x + s·norm(W·x)); ``inside`` x + s·h(W·x) · residual_scale: s ·
    stem: where the convolution stands that is in no block: at the start of each stage, or, if true, once before
    the first, which then keeps the size; blocks that change size or channels have a 1×1 convolution for x.
    """

    convs: int = 2
    kernel_size: int = 3
    stride: int = 1
    padding: int | None = None
    dilation: int = 1
    pooling: bool = True
    stem: bool = False
    residual: Form = Form.none
    residual_scale: float = 1.0
    block: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, convs=self.convs, stride=self.stride, dilation=self.dilation, kernel_size=self.kernel_size)
        at_least(1, block=self.block)
        at_least(0, padding=self.padding)
        positive(residual_scale=self.residual_scale)
        keeping = self.dilation * (self.kernel_size - 1)  # twice the padding that keeps the size
        if self.padding is None and keeping % 2:
            raise ValueError(f"an even kernel_size ({self.kernel_size}) cannot keep the size: set padding")
        if self.residual is not Form.none:
            if self.padding is not None and 2 * self.padding != keeping:
                raise ValueError(f"residual blocks keep the size, padding={self.padding} does not: use padding=null")
            if self._in_blocks % self.block:
                raise ValueError(
                    f"convs={self.convs} leaves {self._in_blocks} a stage for blocks of block={self.block}: take a "
                    f"multiple{'' if self.stem else ' and one more'}"
                )

    @property
    def _in_blocks(self) -> int:
        """How many convolutions of a stage are in blocks."""
        return self.convs if self.stem else self.convs - 1

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
            stem=self.stem,
            residual=self.residual,
            per_block=1 if self.residual is Form.none else self.block,
            scale=self.residual_scale,
            pooling=self.pooling,
            gap=self.head is Head.gap,
            widths=self.head_widths,
        )


@dataclass
class ResNet(CNN):
    """Residual network: act(x + norm(W₂·act(norm(W₁·x)))) in each block (He et al. 2015, arXiv:1512.03385).

    The cnn with one stem, blocks of two convolutions, stages that begin with stride 2, and the mean of each channel
    at the end. convs=6 is the paper's ResNet-20, residual=pre its successor of 2016 (arXiv:1603.05027),
    residual=none the same layers without identity paths. Size is reduced by stride, so that ``pool`` has no place;
    stride=1 pooling=true reduces it by the chosen pool instead. The paper has norm=bn.
    """

    channels: list[int] = field(default_factory=lambda: [16, 32, 64])
    stride: int = 2
    pooling: bool = False
    stem: bool = True
    residual: Form = Form.post
    block: int = 2
    head: Head = Head.gap


@dataclass
class VGG(CNN):
    """Stages of stacked 3×3 convolutions with pooling, and fully connected layers (VGG, arXiv:1409.1556).

    Simonyan & Zisserman 2014. The cnn with a third stage and a head of two hidden layers; convs=1 kernel_size=5 are
    the larger kernels that a stack of two 3×3 replaces. The paper has pool=max, and dropout in the head.
    """

    channels: list[int] = field(default_factory=lambda: [16, 32, 64])
    head_widths: list[int] = field(default_factory=lambda: [128, 128])


@dataclass
class Inception(ImageModel):
    """Convolutions of 1×1, 3×3, 5×5 and a maximum side by side in each block (Szegedy et al. 2014, arXiv:1409.4842).

    A 3×3 convolution, then stages of blocks with the chosen pool between stages. Of a block's n channels a quarter
    comes from 1×1, half from 3×3, an eighth each from 5×5 and from the maximum of 3×3 neighbours; 1×1 convolutions
    reduce to 3 n / 8 channels before the 3×3, to n / 16 before the 5×5, and follow the maximum. The paper's
    auxiliary outputs are left out.

    channels: multiples of 16 · blocks: a stage.
    """

    channels: list[int] = field(default_factory=lambda: [32, 64])
    head: Head = Head.gap
    blocks: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, blocks=self.blocks)
        if any(channels % 16 for channels in self.channels):
            raise ValueError(f"channels must be multiples of 16, to be shared by the branches, not {self.channels}")

    def build(self, kit: Kit, spec: DataSpec) -> nn.Module:
        from ..networks import inception

        return inception.Inception(
            kit,
            spec,
            channels=self.channels,
            blocks=self.blocks,
            gap=self.head is Head.gap,
            widths=self.head_widths,
        )
