"""Is it the gradient? Whether it is right, arrives at the first layer, and moves every parameter."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from ablate.config import InitHead
from ablate.diagnostics.layers import parameters_of
from ablate.diagnostics.measures import norm
from ablate.diagnostics.observation import Observation
from ablate.doctor.case import Case
from ablate.doctor.finding import Finding, judged
from ablate.random_state import random_state, set_random_state

VANISHED, GONE, EXPLODED = 1e-3, 1e-5, 1e3
TOLERANCE = 1e-4
_EXAMPLES = 8
_STEPS = 1e-6, 1e-8
"""Of the difference quotients: a kink of relu within the first is hardly within the second."""


def arrives(case: Case) -> Finding | None:
    """Do gradients reach the first layer?

    The norm of its gradient over that of the last layer, on the first batch. Well-initialised networks stay within a
    factor of ten; warns below 1e-3 and above 1e3, fails below 1e-5 (Glorot & Bengio 2010).
    """
    module = case.fresh()
    module.model.train()
    state = random_state([module])
    with Observation(module.model) as seen:
        _, loss = module.outcome(*case.batch)
    called = list(seen.values())
    if len(called) < 2 or not loss.requires_grad:
        return None
    loss.backward()
    set_random_state(state, [module])
    layers = parameters_of(module.model)

    def size(name: str) -> float:
        gradients = [p.grad for p in layers[name] if p.grad is not None]
        return float(norm(gradients)) if gradients else 0.0

    trainable = [name for name in called if any(p.requires_grad for p in layers[name])]
    if len(trainable) < 2:
        return None
    first, last = size(trainable[0]), size(trainable[-1])
    ratio = first / last if last else 0.0
    return judged(
        "gradient_flow",
        "gradients reach the first layer",
        f"{ratio:.1g} of the last layer's" if ratio else f"none at {trainable[0]}",
        warn=not VANISHED <= ratio <= EXPLODED,
        fail=ratio < GONE,
        way="init=he" if not ratio else "act=relu, norm=bn, or model.residual where the model has it",
    )


def is_right(case: Case) -> Finding | None:
    """Do gradients agree with central differences?

    In float64, on 8 examples in evaluation mode, for two parameters of each tensor, the one with the largest gradient
    and the middle one; differences above 1e-4 of the larger of the two fail. A surrogate is meant to differ.
    """
    module = copy.deepcopy(case.fresh()).double()
    module.model.eval()
    x, y = (part[:_EXAMPLES] for part in case.batch)
    x, y = x.double(), y.double() if y.is_floating_point() else y
    state = random_state([module])

    def loss() -> Tensor:
        set_random_state(state, [module])
        return module.outcome(x, y)[1]

    value = loss()
    parameters = {name: p for name, p in module.model.named_parameters() if p.requires_grad}
    if not value.requires_grad or not parameters:
        return None
    gradients = torch.autograd.grad(value, list(parameters.values()), allow_unused=True)
    worst, where = 0.0, ""
    with torch.no_grad():
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
            if gradient is None:
                continue
            flat = parameter.view(-1) if parameter.is_contiguous() else None
            if flat is None or not len(flat):
                continue
            for index in {int(gradient.abs().argmax()), len(flat) // 2}:
                known = float(gradient.reshape(-1)[index])
                error = min(_error(flat, index, known, loss, step) for step in _STEPS)
                if error > worst:
                    worst, where = error, name
    set_random_state(state, [module])
    surrogate = "has_the_right_gradient" in case.config.act.waives()
    return judged(
        "gradient_check",
        "gradients agree with differences",
        f"off by {worst:.0e} at most" + (f", {where}" if worst > TOLERANCE else "") + (", a surrogate" * surrogate),
        fail=worst > TOLERANCE and not surrogate,
        way="an activation, layer or loss with the right backward: python -m pytest --pyargs ablate.testing finds it",
    )


def _error(flat: Tensor, index: int, known: float, loss: Callable[[], Tensor], step: float) -> float:
    """Return by how much a derivative differs from the difference quotient, relative to the larger."""
    before = float(flat[index])
    values = []
    for sign in (1, -1):
        flat[index] = before + sign * step
        values.append(float(loss()))
    flat[index] = before
    quotient = (values[0] - values[1]) / (2 * step)
    floor = max(1e-5, 1e-13 * abs(values[0]) / step / TOLERANCE)  # what rounding alone makes of it
    return abs(quotient - known) / max(abs(quotient), abs(known), floor)


def all_move(case: Case) -> Finding | None:
    """Is any parameter never updated: frozen, unused, or without gradient?

    Compares every tensor before and after the first 200 steps, to the bit. Fails where one that is to be trained has
    not moved, warns where one is frozen without init_head=frozen or freeze.
    """
    if case.trains_itself:
        return None
    trial = case.trained
    if trial.diverged:
        return None
    now = dict(trial.module.model.named_parameters())
    frozen = [name for name, p in now.items() if not p.requires_grad]
    still = [name for name, p in now.items() if p.requires_grad and torch.equal(p.detach(), trial.start[name])]
    asked = case.config.init_head is InitHead.frozen or bool(case.config.freeze)
    if still:
        figure = f"{len(still)} of {len(now)} tensors stay: {_few(still)}"
    elif frozen:
        figure = f"{len(frozen)} of {len(now)} tensors are frozen" + (", as asked" if asked else f": {_few(frozen)}")
    else:
        figure = f"all {len(now)} tensors move"
    return judged(
        "updates",
        "every parameter is updated",
        figure,
        warn=bool(frozen) and not asked,
        fail=bool(still),
        way="init=he, and a network that uses and trains all its layers",
    )


def _few(names: list[str]) -> str:
    return ", ".join(names[:2]) + (" …" if len(names) > 2 else "")
