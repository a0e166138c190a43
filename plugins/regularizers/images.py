"""Random changes of training images. B batch · C channels · H, W height and width."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


def affine(x: Tensor, y: Tensor | None, matrices: Tensor) -> tuple[Tensor, Tensor | None]:
    """Resample images x (B, C, H, W), and pixel labels y (B, H, W) where there are any, by matrices (B, 2, 3).

    The matrices map output to input coordinates in units of half the image; zeros (label 0) come in from
    outside. Images are interpolated, labels take the nearest pixel.
    """
    grid = F.affine_grid(matrices, list(x.shape), align_corners=False)  # (B, H, W, 2)
    moved = F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    if y is None:
        return moved, None
    labels = F.grid_sample(y.unsqueeze(1).to(x.dtype), grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return moved, labels.squeeze(1).round().to(y.dtype)


def random_matrices(x: Tensor, *, shift: float, rotate: float, scale: float, generator: Generator) -> Tensor:
    """Return one random matrix (B, 2, 3) an image of x (B, C, H, W), for :func:`affine`.

    Uniform within ± ``shift`` pixels in each direction, ± ``rotate`` degrees, and a factor of 1 ± ``scale``.
    """
    count, height, width = len(x), x.shape[2], x.shape[3]
    dx, dy, turn, zoom = (2 * torch.rand(4, count, generator=generator) - 1).to(x)  # each (B,)
    angle, factor = turn * math.radians(rotate), 1 / (1 + zoom * scale)
    cos, sin = factor * angle.cos(), factor * angle.sin()
    # grid_sample measures both axes in half images: a turn of a rectangle mixes them by its aspect ratio
    rows = (
        torch.stack((cos, -sin * height / width, -dx * shift * 2 / width), 1),
        torch.stack((sin * width / height, cos, -dy * shift * 2 / height), 1),
    )
    return torch.stack(rows, 1)
