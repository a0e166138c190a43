"""Muon: momentum, orthogonalised (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/).

``torch.optim.Muon`` exists from torch 2.9 on, takes matrices only and multiplies them in bfloat16. This one is
a single optimizer for all parameters of a network, so that a schedule or a checkpoint sees one; it takes
kernels too, and computes in the precision of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .base import Rule

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
ADAM_BETAS, ADAM_EPS = (0.9, 0.95), 1e-10


def orthogonalised(matrix: Tensor, steps: int) -> Tensor:
    """Return U f(…f(S/‖S‖)…) Vᵀ of a matrix U S Vᵀ, with f(s) = a s + b s³ + c s⁵ applied ``steps`` times.

    Five times bring almost all singular values to between 0.7 and 1.2, without computing any.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = matrix.T if tall else matrix  # X Xᵀ is smallest on the short side
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(Rule):
    """Muon for what has two dimensions or more, AdamW with a rate of its own for the rest."""

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        *,
        lr: float,
        momentum: float,
        steps: int,
        weight_decay: float,
        adam_lr: float,
    ) -> None:
        params = list(params)
        groups: list[dict[str, Any]] = [
            {"params": [w for w in params if w.ndim >= 2], "lr": lr, "muon": True},
            {"params": [w for w in params if w.ndim < 2], "lr": adam_lr, "muon": False},
        ]
        used = [group for group in groups if group["params"]]
        super().__init__(used, {"lr": lr, "momentum": momentum, "steps": steps, "weight_decay": weight_decay})

    def update(self, w: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Update a matrix or kernel by Muon, a bias or scale by AdamW."""
        rule = self._muon if group["muon"] else self._adam
        direction = rule(g, state, group)
        w.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"])

    @staticmethod
    def _muon(g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        if not state:
            state["m"] = torch.zeros_like(g)
        m, momentum = state["m"], group["momentum"]
        m.lerp_(g, 1 - momentum)
        ahead = g.lerp(m, momentum).flatten(1)  # kernels (out, in, h, w) as (out, in · h · w)
        scale = math.sqrt(max(1.0, ahead.shape[0] / ahead.shape[1]))
        return scale * orthogonalised(ahead, group["steps"]).view_as(g)

    @staticmethod
    def _adam(g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        if not state:
            state.update(t=0, m=torch.zeros_like(g), v=torch.zeros_like(g))
        beta1, beta2 = ADAM_BETAS
        state["t"] += 1
        m, v, t = state["m"], state["v"], state["t"]
        m.lerp_(g, 1 - beta1)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        step: Tensor = m / (1 - beta1**t) / ((v / (1 - beta2**t)).sqrt() + ADAM_EPS)
        return step
