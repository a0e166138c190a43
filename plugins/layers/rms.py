"""Root-mean-square normalisation with the features in the second dimension, where torch has them in the last."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """x / √(mean of x² over each example + eps) · scale: keeps (B, features, *S); the scale is per feature."""

    def __init__(self, features: int, eps: float, affine: bool) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(features)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x with a root mean square of one over features and pixels, scaled."""
        mean_square = x.square().mean(tuple(range(1, x.ndim)), keepdim=True)  # (B, 1, 1, …)
        x = x * torch.rsqrt(mean_square + self.eps)
        return x if self.scale is None else x * self.scale.view(-1, *[1] * (x.ndim - 2))  # (features, 1, …)
