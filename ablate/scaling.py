"""How inputs are scaled, by the statistics of the training inputs; what is stored is read in parts.

Shapes: N examples · F features · T time · C channels · H, W height and width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ablate.stored import Stored, chunks
from ablate.techniques import Scale

ROUNDING = {torch.float32: 1e-6, torch.float64: 1e-13}
"""The spread, relative to its size, that rounding alone gives a constant feature, and some more."""


def feature_dim(x: Tensor) -> int:
    """Return the dim of features: channels of images (N, C, H, W), else the last."""
    return 1 if x.ndim == 4 else x.ndim - 1


def scaling(x: Tensor, scale: Scale) -> tuple[Tensor, Tensor]:
    """Return (shift, factor) so that ``(x - shift) * factor`` is scaled, from the training inputs ``x``.

    Statistics are per feature of (N, F) and (N, T, F), per channel of (N, C, H, W). A feature without spread
    is shifted only: dividing by a tiny number would blow it up wherever it does vary.
    """
    if scale is Scale.none:
        return torch.zeros(()), torch.ones(())
    others = [d for d in range(x.ndim) if d != feature_dim(x)]
    if isinstance(x, Stored):
        return _scaling_of_stored(x, others, scale)
    if scale is Scale.unit:
        shift = x.amin(others, keepdim=True)
        spread = x.amax(others, keepdim=True) - shift
    else:
        shift = x.mean(others, keepdim=True)
        spread = x.std(others, correction=0, keepdim=True)
    magnitude = x.abs().amax(others, keepdim=True).clamp(min=1e-30)
    constant = spread <= ROUNDING.get(x.dtype, 1e-6) * magnitude
    return shift[0], (1 / torch.where(constant, torch.ones_like(spread), spread))[0]


def _scaling_of_stored(x: Stored, others: list[int], scale: Scale) -> tuple[Tensor, Tensor]:
    """Return the same as :func:`scaling`, read part by part and added up in float64."""
    low, high = (each.double() for each in extremes(x, others))
    if scale is Scale.unit:
        shift, spread = low, high - low
    else:
        shift, variance = moments(x, others)
        spread = variance.sqrt()
    constant = spread <= ROUNDING.get(x.dtype, 1e-6) * torch.maximum(low.abs(), high.abs()).clamp(min=1e-30)
    factor = 1 / torch.where(constant, torch.ones_like(spread), spread)
    return shift[0].to(x.dtype), factor[0].to(x.dtype)


def rescaled(x: Tensor, shift: Tensor, factor: Tensor) -> Tensor:
    """Return (x - shift) · factor in float32, rounded at the end."""

    def change(part: Tensor) -> Tensor:
        return ((part - shift) * factor).float()

    return x.then(change, torch.float32) if isinstance(x, Stored) else change(x)


def moments(x: Tensor, others: list[int]) -> tuple[Tensor, Tensor]:
    """Return mean and variance over the dims ``others``, kept as 1, in float64 and without reading everything at once.

    Parts are joined as by Chan, Golub & LeVeque (1979): M = M_a + M_b + δ² n_a n_b / n of the sums of squares.
    """
    count, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for part in (each.double() for each in chunks(x)):
        own = part.numel() // (part.shape[feature_dim(x)])
        own_mean = part.mean(others, keepdim=True)
        own_squares = (part - own_mean).square().sum(others, keepdim=True)
        delta, total = own_mean - mean, count + own
        mean = mean + delta * (own / total)
        squares = squares + own_squares + delta.square() * (count * own / total)
        count = total
    return mean, squares / count


def extremes(x: Tensor, others: list[int]) -> tuple[Tensor, Tensor]:
    """Return the least and the greatest over the dims ``others``, kept as 1."""
    parts = [(part.amin(others, keepdim=True), part.amax(others, keepdim=True)) for part in chunks(x)]
    return torch.cat([low for low, _ in parts]).amin(0, True), torch.cat([high for _, high in parts]).amax(0, True)
