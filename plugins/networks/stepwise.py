"""Layers for single steps of a sequence, or single points of a set. B batch · T steps · F features."""

from __future__ import annotations

from torch import Tensor, nn

from ablate.kit import any_leading_dims


class Stepwise(nn.Sequential):
    """Layers for (B, F) on every step by itself, with the same weights: (B, T, F) → (B, T, F').

    Batch statistics go over examples and steps together.
    """

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, F) to (B, T, F')."""
        out: Tensor = x.flatten(-3, -2)
        for layer in self:
            out = layer(out)
        steps: Tensor = out.unflatten(-2, x.shape[-3:-1])
        return steps
