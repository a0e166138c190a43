"""Gradients: of backpropagation by hand, of differences, and of directions.

Shapes: B batch · D inputs · H hidden units · C outputs · P parameters.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from ablate.exact import Checked
from ablate.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def network(*sizes: int, seed: int = 0) -> tuple[list[Tensor], list[Tensor]]:
    """Return weights (out, in) and biases (out,) of a chain of layers, in float64."""
    generator = torch.Generator().manual_seed(seed)
    weights = [
        torch.randn(b, a, generator=generator, dtype=torch.float64) / math.sqrt(a) for a, b in itertools.pairwise(sizes)
    ]
    biases = [torch.randn(b, generator=generator, dtype=torch.float64) / 10 for b in sizes[1:]]
    return weights, biases


def backpropagation(batch: int = 8, hidden: int = 16) -> Checked:
    """Compare autograd with the chain rule by hand: one hidden layer of ReLU, mean squared error.

    z = x W₁ᵀ + b₁, a = max(0, z), ŷ = a W₂ᵀ + b₂, L = mean (ŷ - y)²; so δ₂ = 2 (ŷ - y) / (B C), ∂L/∂W₂ = δ₂ᵀ a,
    δ₁ = δ₂ W₂ · [z > 0], ∂L/∂W₁ = δ₁ᵀ x.
    """
    (w1, w2), (b1, b2) = network(5, hidden, 3)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 5, generator=generator, dtype=torch.float64)
    y = torch.randn(batch, 3, generator=generator, dtype=torch.float64)
    parameters = [p.requires_grad_() for p in (w1, b1, w2, b2)]
    z = x @ w1.T + b1  # (B, H)
    a = z.relu()
    predicted = a @ w2.T + b2  # (B, C)
    torch.nn.functional.mse_loss(predicted, y).backward()
    with torch.no_grad():
        outer = 2 * (predicted - y) / y.numel()
        inner = outer @ w2 * (z > 0)
        by_hand = (inner.T @ x, inner.sum(0), outer.T @ a, outer.sum(0))
        error = max(float((p.grad - own).abs().max()) for p, own in zip(parameters, by_hand, strict=True))  # type: ignore[operator]
    count = sum(p.numel() for p in parameters)
    return Checked(error, 1e-12, f"All {count} derivatives were worked out by hand and by automatic differentiation")


def central_differences(h: float = 1e-4, single: bool = False) -> Checked:
    """Compare (L(w + h) - L(w - h)) / 2h with backpropagation, for every weight of a small tanh network.

    In float64, to six digits, or with ``single`` in float32, where the difference of two losses has few digits left,
    to three: the rounding of a loss near 1, divided by 2h, is of the order of 1e-3.
    """
    weights, biases = network(8, 16, 4)
    kind = torch.float32 if single else torch.float64
    parameters = [p.to(kind).requires_grad_() for p in (*weights, *biases)]
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(16, 8, generator=generator, dtype=torch.float64).to(kind)
    y = torch.randint(4, (16,), generator=generator)
    calls = 0

    def loss() -> Tensor:
        nonlocal calls
        calls += 1
        w1, w2, b1, b2 = parameters
        return torch.nn.functional.cross_entropy((x @ w1.T + b1).tanh() @ w2.T + b2, y)

    exact = torch.cat([g.flatten() for g in torch.autograd.grad(loss(), parameters)])
    differences = []
    calls = 0
    with torch.no_grad():
        for parameter in parameters:
            flat = parameter.view(-1)
            for at in range(flat.numel()):
                before = flat[at].item()
                flat[at] = before + h
                above = loss().item()
                flat[at] = before - h
                differences.append((above - loss().item()) / (2 * h))
                flat[at] = before
    found = torch.tensor(differences, dtype=torch.float64)
    error = float((found - exact.double()).norm() / exact.double().norm())
    return Checked(
        error,
        1e-3 if single else 1e-6,
        f"The gradient of {len(differences)} parameters by differences took {calls} evaluations of the loss, where "
        f"backpropagation takes one pass forwards and one back; in {str(kind).removeprefix('torch.')} with h = {h:g} "
        "the two differ by the relative error below",
    )


def steepest_descent(directions: int = 2000) -> Checked:
    """Compare the slope along -∇L / |∇L| with those along random unit vectors, and with -|∇L|, its least value."""
    (w1, w2), (b1, b2) = network(6, 12, 3)
    parameters = [p.requires_grad_() for p in (w1, b1, w2, b2)]
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(10, 6, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (10,), generator=generator)
    loss = torch.nn.functional.cross_entropy((x @ w1.T + b1).relu() @ w2.T + b2, y)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])  # (P,)
    others = torch.randn(directions, gradient.numel(), generator=generator, dtype=torch.float64)
    slopes = others / others.norm(dim=1, keepdim=True) @ gradient
    own = float(-gradient / gradient.norm() @ gradient)
    better = float((slopes < own).sum())
    error = abs(own + float(gradient.norm())) + better
    return Checked(
        error,
        1e-12,
        f"Along the negative gradient the loss falls by {-own:.4g} a unit of length, which is the gradient's length; "
        f"of {directions} random directions {better:.0f} are steeper, the steepest falls by {float(-slopes.min()):.4g}",
    )
