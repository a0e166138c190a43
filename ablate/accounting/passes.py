"""What an example runs through."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def run(model: nn.Module, x: Tensor) -> Any:
    """Run a batch (B, *input_shape) through all of ``model``.

    A network of several parts, such as a generator beside a discriminator, says by a method ``passes(x)`` what one
    step of training runs once; for any other that is calling it.
    """
    return getattr(model, "passes", model)(x)
