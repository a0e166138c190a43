"""Pooling layers that torch does not have. B batch · C channels · *S 1 or 2 spatial dims · *S' what is left of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablate.kit import any_leading_dims


class PNorm(nn.Module):
    """(Σ|x|^p)^(1/p) of each window: (B, C, *S) → (B, C, *S')."""

    def __init__(self, p: float, size: int, stride: int, spatial: int) -> None:
        super().__init__()
        self.pool = (nn.LPPool1d, nn.LPPool2d)[spatial - 1](p, size, stride)

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Return the norm of each window; its gradient is zero where the norm is."""
        # torch takes x itself to the power: NaN for negative numbers, unless p is even.
        out: Tensor = self.pool(x.abs())
        return out


class MaxBlur(nn.Module):
    """Maximum at every place, then [1, 2, 1] / 4 along each dim at every ``stride``: (B, C, *S) → (B, C, *S').

    The blur sees a border of one, reflected, so that S' is that of max pooling with the same size and stride.
    """

    kernel: Tensor

    def __init__(self, channels: int, size: int, stride: int, spatial: int) -> None:
        super().__init__()
        self.max = (nn.MaxPool1d, nn.MaxPool2d)[spatial - 1](size, stride=1)
        self.convolve = (F.conv1d, F.conv2d)[spatial - 1]
        self.stride = stride
        row = torch.tensor([0.25, 0.5, 0.25])
        kernel = row if spatial == 1 else row.outer(row)
        # Not a convolution with frozen weights: initialisers and penalties are for weights that learn.
        self.register_buffer("kernel", kernel.expand(channels, 1, *kernel.shape).clone(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the blurred maxima."""
        x = self.max(x)
        for dim in range(2, x.ndim):
            # F.pad's reflection has no deterministic gradient on CUDA.
            x = torch.cat((x.narrow(dim, 1, 1), x, x.narrow(dim, x.shape[dim] - 2, 1)), dim)
        return self.convolve(x, self.kernel, stride=self.stride, groups=len(self.kernel))
