"""Layers for single steps of a sequence, or single points of a set. B batch · T steps · F features."""

from __future__ import annotations

from torch import Tensor, nn


class Stepwise(nn.Sequential):
    """Layers for (B, F) on every step by itself, with the same weights: (B, T, F) → (B, T, F').

    Batch statistics go over examples and steps together.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, F) to (B, T, F')."""
        out = x.flatten(0, 1)
        for layer in self:
            out = layer(out)
        return out.view(*x.shape[:2], -1)
