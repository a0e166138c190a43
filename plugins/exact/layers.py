"""Layers and penalties: what batches become, what a penalty touches, and what gradients are multiplied by.

Shapes: B batch · D inputs · P parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ablate.exact import Checked
from ablate.lazy import torch
from ablate.techniques import Activation

from ..activation import ReLU, Sigmoid, Tanh
from ..init import He, Xavier
from ..models.dense import MLP
from ..normalization import BatchNorm
from ..regularizers.penalties import L1, L2
from .build import classes, kit_of

if TYPE_CHECKING:
    from torch import Tensor


def _normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def batch_norm_moments(features: int = 16, batch: int = 64) -> Checked:
    """Mean 0 and variance v / (v + eps) of each feature over a batch, then gamma · x + beta."""
    norm = BatchNorm()
    layer = norm.build(features, 0).double().train()
    x = 5 * _normal(batch, features, seed=0) + 3
    with torch.no_grad():
        out = layer(x)
        variance = x.var(0, correction=0)
        error = max(
            float(out.mean(0).abs().max()),
            float((out.var(0, correction=0) - variance / (variance + norm.eps)).abs().max()),
        )
        gamma, beta = layer.get_parameter("weight"), layer.get_parameter("bias")
        gamma.fill_(2.0)
        beta.fill_(-1.0)
        error = max(error, float((layer(x) - (2 * out - 1)).abs().max()))
    return Checked(
        error,
        1e-12,
        f"A batch of {batch} with mean 3 and standard deviation 5 leaves batch normalisation with mean 0 and variance "
        "1 a feature, short of eps, and gamma and beta then scale and shift it",
    )


def l2_spares_biases(strength: float = 0.1) -> Checked:
    """Ridge regression on centred inputs by the penalty on w alone: the bias stays mean(y), w shrinks.

    With X of orthonormal columns w = Xᵀy / (1 + N · strength), N being the number of examples.
    """
    x = torch.linalg.qr(_normal(40, 5, seed=0) - _normal(40, 5, seed=0).mean(0))[0]
    x = torch.linalg.qr(x - x.mean(0))[0]
    y = x @ _normal(5, seed=1) + 7 + _normal(40, seed=2) / 10
    net = torch.nn.Linear(5, 1).double()
    penalty = L2(weight=strength)
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=500, tolerance_grad=1e-14, tolerance_change=1e-16)

    def loss() -> Tensor:
        optimizer.zero_grad()
        cost = penalty.penalty(net)
        assert cost is not None
        value: Tensor = (net(x)[:, 0] - y).square().mean() + cost
        value.backward()
        return value

    optimizer.step(loss)
    expected = x.T @ y / (1 + len(x) * strength)
    with torch.no_grad():
        error = max(abs(float(net.bias[0] - y.mean())), float((net.weight[0] - expected).abs().max()))
        shrunk = float(net.weight.norm() / (x.T @ y).norm())
    return Checked(
        error,
        1e-6,
        f"A regression with the penalty {strength:g} Σw² keeps the bias at the mean of the targets, "
        f"{float(y.mean()):.3g}, and shortens the weights to {shrunk:.2g} of what they are without it, as it should",
    )


def l1_makes_zeros(strength: float = 0.02, noise: int = 30) -> Checked:
    """Logistic regression on breast_cancer with ``noise`` features of noise: the share of weights below 0.001.

    For the L1 penalty against the L2 penalty of the same strength: the first less the second is to be above a half.
    """
    from sklearn.datasets import load_breast_cancer

    raw = load_breast_cancer()
    x = torch.tensor(raw.data, dtype=torch.float64)
    x = torch.cat([(x - x.mean(0)) / x.std(0), _normal(len(x), noise, seed=0)], 1)
    y = torch.tensor(raw.target)

    def zeros(reg: L1 | L2 | None) -> float:
        net = torch.nn.Linear(x.shape[1], 2).double()
        torch.nn.init.zeros_(net.weight)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
        steps = 1500
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.001, steps)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(x), y)
            cost = None if reg is None else reg.penalty(net)
            (loss if cost is None else loss + cost).backward()
            optimizer.step()
            schedule.step()
        return float((net.weight.abs() < 1e-3).double().mean())

    with torch.random.fork_rng():
        lasso, ridge, none = zeros(L1(weight=strength)), zeros(L2(weight=strength)), zeros(None)
    return Checked(
        1 - (lasso - ridge),
        0.5,
        f"Of {2 * x.shape[1]} weights {100 * lasso:.0f} % end below 0.001 with the L1 penalty, {100 * ridge:.0f} % "
        f"with L2, {100 * none:.0f} % with neither; one less the difference of the first two is to be below a half",
    )


def _gradients(act: Activation, init: He | Xavier, depth: int) -> tuple[float, float]:
    """Return the length of the gradient that arrives at the first and the last hidden layer of an mlp at its start."""
    net = MLP(depth=depth, width=64).build(kit_of(act=act, init=init), classes(64)).double()
    from ablate.kit import initialize

    initialize(net, init, 0)
    x, y = _normal(128, 64, seed=0), torch.arange(128) % 10
    torch.nn.functional.cross_entropy(net(x), y).backward()
    norms = [float(p.grad.norm()) for p in net.parameters() if p.ndim == 1 and p.grad is not None]  # of the biases
    return norms[0], norms[-2]


def vanishing_gradient(depth: int = 10) -> Checked:
    """Gradient at the first hidden layer over that at the last, at the start of training: below a thousandth."""
    first, last = _gradients(Sigmoid(), Xavier(), depth)
    own, other = _gradients(ReLU(), He(), depth)
    return Checked(
        first / last,
        1e-3,
        f"Through {depth} layers of sigmoids the gradient at the first is {first / last:.2g} of that at the last; "
        f"through as many of ReLU, started by he, {own / other:.2g}",
    )


def s_shape_explodes(gain: float = 3.0, depth: int = 10) -> Checked:
    """Count the S-shaped activations whose slope never exceeds 1: such a chain cannot make gradients grow by itself."""
    x = torch.linspace(-10, 10, 20001, dtype=torch.float64)
    slopes = {}
    for name, act in {"sigmoid": Sigmoid(), "tanh": Tanh()}.items():
        point = x.clone().requires_grad_()
        act.build()(point).sum().backward()
        assert point.grad is not None
        slopes[name] = float(point.grad.max())
    grown = {}
    for name, one in {"tanh": Tanh(), "relu": ReLU()}.items():
        first, last = _gradients(one, Xavier(gain=gain), depth)
        grown[name] = first / last
    bounded = sum(slope <= 1 + 1e-12 for slope in slopes.values())
    return Checked(
        bounded,
        0,
        f"The largest slopes are {slopes['sigmoid']:.3g} (sigmoid) and {slopes['tanh']:.3g} (tanh), so that {bounded} "
        f"of 2 can only shrink what passes through them; what grows comes from weights: started {gain:g} times "
        f"too large, {depth} layers multiply the gradient by {grown['tanh']:.2g} with tanh and {grown['relu']:.2g} "
        "with ReLU",
    )
