"""For layers that look for the features in the last dim, where the others have theirs."""

from __future__ import annotations

from torch import Tensor, nn


class ChannelsLast(nn.Module):
    """``layer``, which takes (B, *S, C), on (B, C, *S)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, C, *S)."""
        out: Tensor = self.layer(x.movedim(1, -1)).movedim(-1, 1)
        return out
