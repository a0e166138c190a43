"""The torch side of ablate-extras."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


class DynamicTanhLayer(nn.Module):
    """scale · tanh(alpha · x) + shift: keeps (B, features, *S)."""

    def __init__(self, features: int, alpha: float) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(alpha))
        self.scale = nn.Parameter(torch.ones(features))
        self.shift = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        per_feature = (-1, *[1] * (x.ndim - 2))  # (features, 1, …)
        return self.scale.view(per_feature) * torch.tanh(self.alpha * x) + self.shift.view(per_feature)


class SignumOptimizer(torch.optim.Optimizer):
    """The rule in ``ablate_extras.Signum``; m starts at zero."""

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            for w in group["params"]:
                if w.grad is None:
                    continue
                state = self.state[w]
                if "m" not in state:
                    state["m"] = torch.zeros_like(w)
                m = state["m"].mul_(momentum).add_(w.grad, alpha=1 - momentum)
                w.mul_(1 - lr * group["weight_decay"]).add_(m.sign(), alpha=-lr)
        return loss
