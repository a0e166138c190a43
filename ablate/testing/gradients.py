"""Gradients by autograd against central differences, (f(x + h d) - f(x - h d)) / 2h with h = 1e-4, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

H = 1e-4
SMALL_H = 1e-6
"""For a second look: a kink on either side within h hides the one from the other; within this there is hardly one."""
TOLERANCE = 1e-6
_DIRECTIONS = 2


def worst_disagreement(value: Callable[[], Tensor], inputs: Sequence[Tensor]) -> float:
    """Return the largest error of autograd's slope of the scalar ``value()`` along random directions of length 1.

    Every tensor of ``inputs`` is moved by itself. The error is relative where the slope is larger than 1, and counts
    as far as a kink cannot explain it: beside one, the slopes to both sides differ, and any between them is right.
    """
    gradients = torch.autograd.grad(value(), list(inputs), allow_unused=True)
    with torch.no_grad():
        middle = float(value())
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for x, gradient in zip(inputs, gradients, strict=True):
        for _ in range(_DIRECTIONS):
            direction = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            direction /= direction.norm()
            analytic = 0.0 if gradient is None else float((gradient * direction).sum())
            error = _error(analytic, *_slopes(value, middle, x, direction, H))
            if error > TOLERANCE:
                error = min(error, _error(analytic, *_slopes(value, middle, x, direction, SMALL_H)))
            worst = max(worst, error)
    return worst


def _error(analytic: float, before: float, after: float) -> float:
    """Return how far a slope is from those to both sides, as far as a kink between them cannot explain it."""
    kink = abs(after - before) / 2
    return abs(analytic - (before + after) / 2) / max(1.0, abs(before), abs(after)) - kink


@torch.no_grad()
def _slopes(value: Callable[[], Tensor], middle: float, x: Tensor, direction: Tensor, h: float) -> tuple[float, float]:
    """Return the slopes from ``x - h d`` to ``x``, of value ``middle``, and to ``x + h d``; ``x`` is put back."""
    here = x.detach().clone()
    seen = []
    for step in (-h, h):
        x.copy_(here + step * direction)
        seen.append(float(value()))
    x.copy_(here)
    before, after = seen
    return (middle - before) / h, (after - middle) / h
