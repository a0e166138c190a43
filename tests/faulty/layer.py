"""A layer of one function, for faults that need no more."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class Layer(nn.Module):
    """A function of x and of whether it is trained, as a layer."""

    def __init__(self, function: Callable[[Tensor, bool], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, self.training)
