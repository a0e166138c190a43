"""Fully convolutional network: one prediction a pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import Kit, any_leading_dims
from ablate.techniques import DataSpec


class Up(nn.Module):
    """Back to a given size: (B, before, h, w) → (B, after, H, W), learned or bilinear."""

    def __init__(self, before: int, after: int, factor: int, bilinear: bool) -> None:
        super().__init__()
        self.bilinear = bilinear
        if bilinear:
            self.conv = nn.Conv2d(before, after, kernel_size=1)
        else:
            self.deconv = nn.ConvTranspose2d(before, after, kernel_size=factor, stride=factor)

    @any_leading_dims
    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Return a map of ``size`` (H, W)."""
        if self.bilinear:
            x = self.conv(x)
            up = F.interpolate(x.flatten(0, -4), size=size, mode="bilinear", align_corners=False)
            return up.view(*x.shape[:-2], *size)
        x = self.deconv(x)
        height, width = size[0] - x.shape[-2], size[1] - x.shape[-1]
        return F.pad(x, (0, width, 0, height))  # pooling drops the last row of an odd size


def stride_of(pool: nn.Module, channels: int) -> int:
    """Return by how much a pooling of any make shrinks a map, measured on one that is large beside its window.

    Raises ``ValueError`` for a pooling that leaves one pixel of any map: there is no way back up.
    """
    size = 256
    with torch.no_grad():
        pooled: Tensor = pool(torch.zeros(1, channels, size, size))
    if pooled.shape[-1] == 1:
        raise ValueError(
            f"the pooling leaves one pixel of a map of {size} × {size}, from which there is no way back to a "
            "prediction for each. Choose one with small windows: pool=max"
        )
    return round(size / pooled.shape[-1])


class FCN(nn.Module):
    """Encoder and decoder (Long et al. 2014, arXiv:1411.4038): (B, C, H, W) → (B, classes, H, W).

    Each stage of the encoder is two convolutions and pooling, each of the decoder the way back up and
    ``decoder_convs`` convolutions, as many as the bottom has. With ``skips`` the decoder also sees the encoder's
    map of its size (U-Net, Ronneberger et al. 2015, arXiv:1505.04597).
    """

    def __init__(
        self,
        kit: Kit,
        spec: DataSpec,
        *,
        channels: Sequence[int],
        kernel_size: int,
        dilation: int,
        decoder_convs: int,
        skips: bool,
        bilinear: bool,
    ) -> None:
        super().__init__()

        def conv(before: int, after: int, rate: int) -> nn.Sequential:
            layer = nn.Conv2d(before, after, kernel_size, padding="same", dilation=rate)
            return nn.Sequential(layer, kit.hidden(after, spatial=2))

        def convs(before: int, after: int, rate: int) -> nn.Sequential:
            return nn.Sequential(conv(before, after, rate), *(conv(after, after, rate) for _ in range(more)))

        more = decoder_convs - 1
        self.skips = skips
        self.down, self.pools, self.up, self.decode = (nn.ModuleList() for _ in range(4))
        before = spec.input_shape[0]
        for after in channels:
            self.down.append(nn.Sequential(conv(before, after, 1), conv(after, after, dilation)))
            self.pools.append(kit.pool.build(after, spatial=2))
            before = after
        self.bottom = convs(before, before, dilation)
        for after, pool in zip(reversed(channels), reversed(self.pools), strict=True):
            self.up.append(Up(before, after, stride_of(pool, after), bilinear))
            self.decode.append(convs(2 * after if skips else after, after, 1))
            before = after
        self.head = nn.Conv2d(before, spec.outputs, kernel_size=1)
        self._check_size(spec.input_shape)

    def _check_size(self, input_shape: tuple[int, ...]) -> None:
        """Raise ``ValueError`` if an image shrinks to nothing on the way down."""
        try:
            with torch.no_grad():
                self.eval()(torch.zeros(1, *input_shape))
        except RuntimeError as error:
            raise ValueError(
                f"an image of {input_shape} becomes too small for {len(self.down)} stages. "
                "Use fewer channels (stages) or pool=none."
            ) from error
        self.train()

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, classes, H, W)."""
        maps = []
        for down, pool in zip(self.down, self.pools, strict=True):
            maps.append(down(x))
            x = pool(maps[-1])
        x = self.bottom(x)
        for up, decode, same_size in zip(self.up, self.decode, reversed(maps), strict=True):
            x = up(x, same_size.shape[-2:])
            x = decode(torch.cat((x, same_size), -3) if self.skips else x)
        out: Tensor = self.head(x)
        return out
