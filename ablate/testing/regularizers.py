"""What a regularizer promises: its penalty, its transform, its callbacks. Its layer is in ``layers.py``."""

from __future__ import annotations

import dataclasses

import torch
from lightning.pytorch import Callback

from ablate.techniques import Regularizer
from ablate.testing.contract import Scope, contract, demand, seed_torch
from ablate.testing.stand_ins import network
from ablate.testing.use import accepted, batch

WAYS = ("layer", "penalty", "transform", "callbacks")


@contract("reg", scope=Scope.defaults)
def acts_in_some_way(technique: Regularizer) -> None:
    """It overrides one of layer, penalty, transform and callbacks: a misspelled method would regularize nothing."""
    acts = any(getattr(type(technique), way) is not getattr(Regularizer, way) for way in WAYS)
    demand(acts, f"it overrides none of {', '.join(WAYS)}. Check the spelling.")


@contract("reg", scope=Scope.generated, overrides="penalty")
def has_a_scalar_penalty(technique: Regularizer) -> None:
    """The penalty is a scalar tensor, finite, not negative, and has a gradient; it changes no weight."""
    model = network()
    penalty = technique.penalty(model)
    if penalty is None:
        return
    demand(penalty.ndim == 0, f"the penalty has the shape {tuple(penalty.shape)}. Sum it up to a scalar.")
    demand(0 <= float(penalty.detach()) < torch.inf, f"the penalty is {float(penalty.detach()):.3g}. Take |w| or w².")
    demand(penalty.requires_grad, "the penalty has no gradient. Compute it from the parameters, not from .data.")
    same = all(map(torch.equal, model.parameters(), network().parameters()))
    demand(same, "penalty() changes the weights. Compute out of place.")


@contract("reg", overrides="penalty")
def leaves_biases_alone(technique: Regularizer) -> None:
    """A penalty is on weights, not on biases, unless a flag of the technique with "bias" in its name is true."""
    if any("bias" in f.name and getattr(technique, f.name) is True for f in dataclasses.fields(technique)):
        return
    model = network()
    penalty = technique.penalty(model)
    if penalty is None:
        return
    named = dict(model.named_parameters())
    gradients = torch.autograd.grad(penalty, list(named.values()), allow_unused=True)
    pulled = [n for n, g in zip(named, gradients, strict=True) if n.endswith("bias") and g is not None and g.any()]
    demand(not pulled, f"{', '.join(pulled)} are penalised. Leave them out, or add a parameter `bias: bool = False`.")


@contract("reg", scope=Scope.generated, overrides="transform")
def keeps_the_batch(technique: Regularizer) -> None:
    """A transform returns x of the same shape and dtype, and y as it was or as soft targets (B, classes, *S)."""
    for spec in accepted(technique):
        x, y = batch(spec)
        new_x, new_y = technique.transform(x, y, spec, torch.Generator().manual_seed(0))
        demand(
            new_x.shape == x.shape and new_x.dtype == x.dtype,
            f"x {tuple(x.shape)} {x.dtype} becomes {tuple(new_x.shape)} {new_x.dtype}. Keep shape and dtype.",
        )
        soft = new_y.is_floating_point() and new_y.shape == (len(x), spec.outputs, *y.shape[1:])
        demand(
            soft or (new_y.shape == y.shape and new_y.dtype == y.dtype),
            f"y {tuple(y.shape)} {y.dtype} becomes {tuple(new_y.shape)} {new_y.dtype}. Return class indices as they "
            f"came, or soft targets {(len(x), spec.outputs, *y.shape[1:])}.",
        )


@contract("reg", overrides="transform")
def leaves_the_batch_alone(technique: Regularizer) -> None:
    """A transform returns new tensors: those it is given belong to the data set, and come again in the next epoch."""
    for spec in accepted(technique):
        x, y = batch(spec)
        technique.transform(x, y, spec, torch.Generator().manual_seed(0))
        same = all(map(torch.equal, (x, y), batch(spec)))
        demand(same, "the batch itself is changed. Write x = x + noise, not x += noise or x.add_(noise).")


@contract("reg", overrides="transform")
def transforms_by_the_generator(technique: Regularizer) -> None:
    """All that is random in a transform comes from the ``generator`` that is given."""
    for spec in accepted(technique):
        outcomes = []
        for seed in (1, 2):
            seed_torch(seed)
            before = torch.get_rng_state()
            outcomes.append(technique.transform(*batch(spec), spec, torch.Generator().manual_seed(0)))
            demand(
                torch.equal(before, torch.get_rng_state()),
                "it draws from torch's global random numbers. Pass generator=generator to torch.randn, torch.rand.",
            )
        demand(all(map(torch.equal, *outcomes)), "equal generators give different batches. Draw from generator alone.")


@contract("reg", overrides="callbacks")
def gives_lightning_callbacks(technique: Regularizer) -> None:
    """``callbacks`` returns a new list of Lightning callbacks, whichever way the metric improves."""
    for monitor, higher in (("val/acc", True), ("val/loss", False)):
        first, second = technique.callbacks(monitor, higher), technique.callbacks(monitor, higher)
        strange = [type(c).__name__ for c in first if not isinstance(c, Callback)]
        demand(not strange, f"{', '.join(strange)} is no lightning.pytorch.Callback. Derive from it.")
        demand(
            not any(a is b for a in first for b in second), "two runs would share a callback. Make it in callbacks()."
        )
