"""Steps of optimizers, one after the other, against what their rules promise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from ablate.exact import Checked
from ablate.lazy import torch

from ..optimizer import GD
from ..optimizers.adaptive import Adam

if TYPE_CHECKING:
    from torch import Tensor

Gradient = Callable[["Tensor", int], "Tensor"]
"""Of the weights (P,) at a step."""


def walk(opt: Adam | GD, gradient: Gradient, steps: int, size: int = 20) -> list[Tensor]:
    """Return the weights (P,) before the first step and after each, in float64."""
    w = torch.nn.Parameter(torch.zeros(size, dtype=torch.float64))
    optimizer = opt.build([w])
    path = [w.detach().clone()]
    for step in range(steps):
        w.grad = gradient(w.detach(), step)
        optimizer.step()
        path.append(w.detach().clone())
    return path


def _random(scale: float = 1.0) -> Gradient:
    generator = torch.Generator().manual_seed(0)
    drawn = [scale * torch.randn(20, generator=generator, dtype=torch.float64) for _ in range(1000)]
    return lambda w, step: drawn[step]


def adam_scale(factor: float = 100.0) -> Checked:
    """Compare 300 steps of adam with those on gradients ``factor`` times as large; its eps alone tells them apart."""
    plain, scaled = (walk(Adam(), _random(scale), 300)[-1] for scale in (1.0, factor))
    error = float((plain - scaled).abs().max() / plain.abs().max())
    return Checked(
        error,
        1e-5,
        f"After 300 steps on the same gradients, once as they are and once {factor:g} times as large, the weights "
        "differ by the relative number below, which is adam's eps",
    )


def adam_bound(lr: float = 0.001) -> Checked:
    """|Δw| ≤ lr · max(1, (1 - β₁) / √(1 - β₂)) (Kingma & Ba 2014, arXiv:1412.6980, section 2.1)."""
    opt = Adam(lr=lr)
    quiet = 2000

    def rare(w: Tensor, step: int) -> Tensor:
        return torch.full((20,), float(step == quiet), dtype=torch.float64)

    def longest(path: list[Tensor]) -> float:
        return max(float((b - a).abs().max()) / lr for a, b in zip(path, path[1:], strict=False))  # noqa: RUF007

    usual, first = walk(opt, _random(), 500), walk(opt, _random(), 1)
    single = longest(walk(opt, rare, quiet + 1))
    bound = max(1.0, (1 - opt.beta1) / math.sqrt(1 - opt.beta2))
    return Checked(
        max(longest(usual), single),
        bound * (1 + 1e-3),
        f"In units of the learning rate the first step is {longest(first):.3f}, the longest of 500 on random gradients "
        f"{longest(usual):.2f}, and the one on a gradient that comes after {quiet} zeros {single:.2f}; the theorem "
        f"allows {bound:.2f}",
    )


def adam_memory(size: int = 1000) -> Checked:
    """Numbers that adam keeps beside so many weights: two for each, its two running means."""
    w = torch.nn.Parameter(torch.zeros(size))
    optimizer = Adam().build([w])
    w.grad = torch.ones(size)
    optimizer.step()
    kept = sum(t.numel() for state in optimizer.state.values() for t in state.values() if torch.is_tensor(t) and t.ndim)
    return Checked(abs(kept - 2 * size), 0, f"Beside {size} weights adam keeps {kept} numbers: two for each")


def descent(share: float = 0.99) -> Checked:
    """Gradient descent on least squares, the diabetes data: with a rate of ``share`` · 2 / L no step goes up.

    L is the largest eigenvalue of the Hessian 2 XᵀX / N.
    """
    from sklearn.datasets import load_diabetes

    raw = load_diabetes()
    x = torch.tensor(raw.data, dtype=torch.float64)
    x = (x - x.mean(0)) / x.std(0)
    y = torch.tensor(raw.target, dtype=torch.float64)
    y = (y - y.mean()) / y.std()
    steepest = float(torch.linalg.eigvalsh(2 * x.T @ x / len(x))[-1])

    def ups(times: float) -> int:
        path = walk(GD(lr=times * 2 / steepest), lambda w, _: 2 * x.T @ (x @ w - y) / len(x), 300, size=x.shape[1])
        loss = torch.stack([(x @ w - y).square().mean() for w in path])
        return int((loss.diff() > 1e-12).sum())

    below, above = ups(share), ups(2 - share)
    return Checked(
        below,
        0,
        f"With {share:g} times 2 / L as the rate, {below} of 300 steps raise the loss; with {2 - share:g} times that, "
        f"{above} do",
    )
