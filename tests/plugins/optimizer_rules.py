"""The update rules once more, each written out from its formula for one vector of weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ablate.techniques import Optimizer
from tests.helpers import make

CURVATURE = torch.tensor([0.3, 1.0, 4.0], dtype=torch.float64)
START = torch.tensor([2.0, -1.5, 0.7], dtype=torch.float64)
ZERO = torch.zeros_like(START)
STEPS = 8
Path = list[Tensor]


def gradient(w: Tensor) -> Tensor:
    """Return the gradient of Σ curvature · w⁴ / 4 + w: never constant, so that wrong averages show."""
    return CURVATURE * w**3 + 1


def taken(name: str, **params: float) -> Path:
    """Return the weights after each step of the option ``name``."""
    # torch keeps nadam's product of momenta in the default type, whatever that of the weights.
    torch.set_default_dtype(torch.float64)
    try:
        return _taken(name, params)
    finally:
        torch.set_default_dtype(torch.float32)


def _taken(name: str, params: dict[str, float]) -> Path:
    w = nn.Parameter(START.clone())
    optimizer = make(Optimizer, name, **params).build([w])
    path = []
    for _ in range(STEPS):
        w.grad = gradient(w.detach())
        optimizer.step()
        path.append(w.detach().clone())
    return path


def sgd(lr: float) -> Path:
    w, path = START, []
    for _ in range(STEPS):
        w = w - lr * gradient(w)
        path.append(w)
    return path


def momentum(lr: float, momentum: float) -> Path:
    w, v, path = START, ZERO, []
    for _ in range(STEPS):
        v = momentum * v + gradient(w)
        w = w - lr * v
        path.append(w)
    return path


def nesterov(lr: float, momentum: float) -> Path:
    """The form of the paper (Sutskever et al. 2013): gradient at the point ahead; ``ahead`` is what torch calls w."""
    w, v, path = START, ZERO, []
    for _ in range(STEPS):
        v = momentum * v - lr * gradient(w + momentum * v)
        w = w + v
        path.append(w + momentum * v)
    return path


def rmsprop(lr: float, alpha: float, eps: float) -> Path:
    w, v, path = START, ZERO, []
    for _ in range(STEPS):
        g = gradient(w)
        v = alpha * v + (1 - alpha) * g**2
        w = w - lr * g / (v.sqrt() + eps)
        path.append(w)
    return path


def adagrad(lr: float, eps: float) -> Path:
    w, v, path = START, ZERO, []
    for _ in range(STEPS):
        g = gradient(w)
        v = v + g**2
        w = w - lr * g / (v.sqrt() + eps)
        path.append(w)
    return path


def adadelta(lr: float, rho: float, eps: float) -> Path:
    w, v, u, path = START, ZERO, ZERO, []
    for _ in range(STEPS):
        g = gradient(w)
        v = rho * v + (1 - rho) * g**2
        d = (u + eps).sqrt() / (v + eps).sqrt() * g
        u = rho * u + (1 - rho) * d**2
        w = w - lr * d
        path.append(w)
    return path


def adam(lr: float, beta1: float, beta2: float, eps: float, weight_decay: float = 0.0) -> Path:
    w, m, v, path = START, ZERO, ZERO, []
    for t in range(1, STEPS + 1):
        g = gradient(w)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        step = (m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + eps)
        w = w - lr * (step + weight_decay * w)
        path.append(w)
    return path


def nadam(lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, momentum_decay: float) -> Path:
    def mu(t: int) -> float:
        return float(beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay)))

    w, m, v, product, path = START, ZERO, ZERO, 1.0, []
    for t in range(1, STEPS + 1):
        g = gradient(w)
        product *= mu(t)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        ahead = mu(t + 1) * m / (1 - product * mu(t + 1)) + (1 - mu(t)) * g / (1 - product)
        step = ahead / ((v / (1 - beta2**t)).sqrt() + eps)
        w = w - lr * (step + weight_decay * w)
        path.append(w)
    return path


def radam(lr: float, beta1: float, beta2: float, eps: float, weight_decay: float) -> Path:
    w, m, v, path = START, ZERO, ZERO, []
    limit = 2 / (1 - beta2) - 1
    for t in range(1, STEPS + 1):
        g = gradient(w)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        step = m / (1 - beta1**t)
        length = limit - 2 * t * beta2**t / (1 - beta2**t)
        if length > 5:
            rectified = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
            step = step * rectified**0.5 * (1 - beta2**t) ** 0.5 / (v.sqrt() + eps)
        w = w - lr * (step + weight_decay * w)
        path.append(w)
    return path


def lion(lr: float, beta1: float, beta2: float, weight_decay: float) -> Path:
    w, m, path = START, ZERO, []
    for _ in range(STEPS):
        g = gradient(w)
        w = w - lr * ((beta1 * m + (1 - beta1) * g).sign() + weight_decay * w)
        m = beta2 * m + (1 - beta2) * g
        path.append(w)
    return path


RULES: dict[str, Callable[..., Path]] = {
    "sgd": sgd,
    "gd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "rmsprop": rmsprop,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "adam": adam,
    "adamw": adam,
    "nadam": nadam,
    "radam": radam,
    "lion": lion,
}
_ADAM = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
DEFAULTS: dict[str, dict[str, float]] = {
    "sgd": {"lr": 0.1},
    "gd": {"lr": 0.1},
    "momentum": {"lr": 0.01, "momentum": 0.9},
    "nesterov": {"lr": 0.01, "momentum": 0.9},
    "rmsprop": {"lr": 1e-3, "alpha": 0.99, "eps": 1e-8},
    "adagrad": {"lr": 1e-2, "eps": 1e-10},
    "adadelta": {"lr": 1.0, "rho": 0.9, "eps": 1e-6},
    "adam": _ADAM,
    "adamw": {**_ADAM, "weight_decay": 1e-2},
    "nadam": {**_ADAM, "lr": 2e-3, "weight_decay": 0.0, "momentum_decay": 4e-3},
    "radam": {**_ADAM, "weight_decay": 0.0},
    "lion": {"lr": 3e-4, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0},
}
_ODD_ADAM = {"lr": 0.1, "beta1": 0.7, "beta2": 0.6, "eps": 0.5}
OTHERS: dict[str, dict[str, float]] = {
    "sgd": {"lr": 0.03},
    "gd": {"lr": 0.03},
    "momentum": {"lr": 0.02, "momentum": 0.5},
    "nesterov": {"lr": 0.02, "momentum": 0.5},
    "rmsprop": {"lr": 0.1, "alpha": 0.8, "eps": 0.5},
    "adagrad": {"lr": 0.3, "eps": 0.5},
    "adadelta": {"lr": 0.7, "rho": 0.6, "eps": 0.1},
    "adam": _ODD_ADAM,
    "adamw": {**_ODD_ADAM, "weight_decay": 0.3},
    "nadam": {**_ODD_ADAM, "weight_decay": 0.3, "momentum_decay": 0.5},
    "radam": {**_ODD_ADAM, "beta2": 0.9, "weight_decay": 0.3},
    "lion": {"lr": 0.1, "beta1": 0.3, "beta2": 0.8, "weight_decay": 0.3},
}
