"""Heaviside step with a choice of gradient."""

from __future__ import annotations

from torch import Tensor, nn

from ablate.kit import any_leading_dims


class Step(nn.Module):
    """1 where x ≥ 0, else 0, of the shape and type of x (B, *any).

    Its gradient is zero, or with ``straight_through`` that of x where |x| ≤ 1.
    """

    def __init__(self, straight_through: bool) -> None:
        super().__init__()
        self.straight_through = straight_through

    @any_leading_dims
    def forward(self, x: Tensor) -> Tensor:
        """Return zeros and ones."""
        # torch.heaviside has no derivative. The surrogate minus itself is exactly 0 and brings its gradient:
        # that of sign is 0 everywhere, that of clamp is 1 up to and including its limits.
        surrogate = x.clamp(-1, 1) if self.straight_through else x.sign()
        return (x >= 0).to(x.dtype) + (surrogate - surrogate.detach())
