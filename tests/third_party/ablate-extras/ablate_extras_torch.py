"""The torch side of ablate-extras."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """x / √(mean of x² over the features + eps) · scale, at each position: keeps (B, features, *S)."""

    def __init__(self, features: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        mean_square = x.square().mean(dim=1, keepdim=True)  # (B, 1, *S)
        scale = self.scale.view(-1, *[1] * (x.ndim - 2))  # (features, 1, …)
        return x * torch.rsqrt(mean_square + self.eps) * scale


class LionOptimizer(torch.optim.Optimizer):
    """The rule in ``ablate_extras.Lion``; m starts at zero."""

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, beta1: float, beta2: float, weight_decay: float
    ) -> None:
        super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr, beta1, beta2 = group["lr"], group["beta1"], group["beta2"]
            for w in group["params"]:
                if w.grad is None:
                    continue
                state = self.state[w]
                if "m" not in state:
                    state["m"] = torch.zeros_like(w)
                m = state["m"]
                update = (beta1 * m + (1 - beta1) * w.grad).sign_()
                w.mul_(1 - lr * group["weight_decay"]).add_(update, alpha=-lr)
                m.mul_(beta2).add_(w.grad, alpha=1 - beta2)
        return loss
