"""Lion (Chen et al. 2023, arXiv:2302.06675), which torch does not have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .base import Rule


class Lion(Rule):
    """w ← w - lr · (sign(beta1 · m + (1 - beta1) · g) + weight_decay · w), then m ← beta2 · m + (1 - beta2) · g."""

    def __init__(
        self, params: Iterable[nn.Parameter], *, lr: float, beta1: float, beta2: float, weight_decay: float
    ) -> None:
        super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay})

    def update(self, w: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Take one step; m starts at zero."""
        if not state:
            state["m"] = torch.zeros_like(g)
        m = state["m"]
        direction = m.lerp(g, 1 - group["beta1"]).sign_()
        w.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"])
        m.lerp_(g, 1 - group["beta2"])
