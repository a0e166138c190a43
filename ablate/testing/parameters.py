"""What every option promises of its parameters: each is there for something."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from ablate.dataset import prepare
from ablate.errors import AblateError
from ablate.kit import initialize
from ablate.techniques import (
    KINDS,
    Activation,
    Data,
    Init,
    Model,
    Norm,
    Optimizer,
    Pool,
    Regularizer,
    Schedule,
    Technique,
)
from ablate.testing.contract import Scope, contract, demand, seed_torch
from ablate.testing.places import places
from ablate.testing.stand_ins import network
from ablate.testing.use import regularized, trained, use
from ablate.testing.values import neighbours

STEPS = 8
"""Some optimizers begin with a few steps that do not need all of their parameters."""


@contract(scope=Scope.defaults)
def uses_every_parameter(technique: Technique) -> None:
    """Changing a parameter, by itself or beside one other, changes what is computed, or what is refused.

    Compared are outputs and gradients, filled weights, steps, losses, rates and examples. What only a whole run can
    show is left out: what all options of a kind share, and parameters of callbacks, of schedules that wait for a
    plateau and of models with a training procedure of their own.
    """
    if _shows_in_a_run_alone(technique):
        return
    near = list(neighbours(type(technique)))
    shared = {f.name for f in dataclasses.fields(KINDS[technique.kind])}
    own = [f.name for f in dataclasses.fields(technique) if f.name not in shared]
    idle = [name for name in own if not _matters(technique, name, near)]
    demand(not idle, f"{', '.join(idle)} can be changed, and nothing changes with it. Use it in what is built.")


def _shows_in_a_run_alone(technique: Technique) -> bool:
    if isinstance(technique, Regularizer):
        return type(technique).callbacks is not Regularizer.callbacks
    if isinstance(technique, Model):
        return technique.module() is not None
    if isinstance(technique, Schedule):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
        return isinstance(technique.build(optimizer, 10), torch.optim.lr_scheduler.ReduceLROnPlateau)
    return False


def _matters(technique: Technique, name: str, near: list[Technique]) -> bool:
    """Say whether anything changes with the parameter ``name``, or nothing can be said as no other value is taken."""
    default = getattr(technique, name)
    values = [getattr(other, name) for other in near if getattr(other, name) != default]
    compared = False
    for before in near:  # the defaults, and each with one parameter changed
        for value in values if getattr(before, name) == default else []:
            try:
                after = dataclasses.replace(before, **{name: value})
            except ValueError:
                return True  # taken by itself, refused beside another: it means something
            one, other = _seen(before), _seen(after)
            if one is None or other is None:
                continue
            if len(one) != len(other) or not all(map(_equal, one, other)):
                return True
            compared = True
    return not compared


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a, b)


def _seen(technique: Technique) -> list[Tensor] | None:
    """Return what a use of ``technique`` computes, or nothing if it refuses to be used."""
    seed_torch(0)
    try:
        if isinstance(technique, Init):
            layers = nn.ModuleList((network(), nn.Linear(5, 5)))
            initialize(layers, technique, seed=0)
            return list(layers.parameters())
        if isinstance(technique, Optimizer):
            return trained(technique, 1) + trained(technique, STEPS)  # by the last, all roads may have met
        if isinstance(technique, Data):
            return [t for split in prepare(technique, seed=0).splits for t in split]
        if isinstance(technique, Regularizer):
            return _outputs(technique) + regularized(technique)
        return _outputs(technique) if isinstance(technique, Activation | Norm | Pool | Model) else use(technique)
    except (ValueError, AblateError):
        return None


def _outputs(technique: Technique) -> list[Tensor]:
    """Return the output in training, its gradient, and the output in evaluation, wherever a module stands."""
    found = []
    for place in places(technique):
        module = place.made().train()
        x = place.input().requires_grad_()
        out = module(x)
        gradient = torch.autograd.grad(out.square().sum(), x, allow_unused=True)[0] if out.requires_grad else None
        found += [out, module.eval()(x), *([] if gradient is None else [gradient])]
    return found
