"""What a model promises beside what all modules do."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ablate.kit import Kit, initialize, weight_layers
from ablate.techniques import DataSpec, Model, Task
from ablate.testing.contract import Scope, contract, demand, seed_torch
from ablate.testing.places import INPUTS, OUTPUTS, accepts, places, specs
from ablate.testing.stand_ins import HalvedLayer, HalvedNorm, Scaled, Sigmoid, kit


@contract("model", scope=Scope.defaults)
def takes_what_it_says(technique: Model) -> None:
    """``check`` accepts some data of its ``tasks`` and ``input_ranks``, and refuses other data with a ValueError."""
    demand(bool(specs(technique)), "check() accepts no task and rank that the class names. Set tasks and input_ranks.")
    for task in Task:
        for rank, shape in INPUTS.items():
            if task in technique.tasks and rank in technique.input_ranks:
                continue
            spec = DataSpec(task, shape, OUTPUTS)
            demand(
                not accepts(technique, spec),
                f"check() accepts {task.value} of {spec.layout}, which tasks and input_ranks leave out. Call "
                "super().check(spec) first.",
            )


@contract("model", scope=Scope.defaults)
def trains_every_parameter(technique: Model) -> None:
    """In training every parameter takes part in the output and gets a gradient."""
    for place in places(technique):
        module = place.made().train()
        module(place.input()).sum().backward()
        idle = [n for n, p in module.named_parameters() if p.requires_grad and p.grad is None]
        demand(
            not idle,
            f"{place.where}, {', '.join(idle)} get no gradient. Use them in forward(), do not make them, or freeze "
            "them with requires_grad_(False).",
        )


@contract("model")
def sees_all_of_its_input(technique: Model) -> None:
    """The output depends on every feature of a row, every step of a sequence, every channel of an image."""
    words = {1: ("feature",), 2: ("time step", "feature"), 3: ("channel",)}
    for place in places(technique):
        x = place.input().requires_grad_()
        (gradient,) = torch.autograd.grad(place.made().eval()(x).square().sum(), x)
        for dim, word in enumerate(words[x.ndim - 1], start=1):
            reached = gradient.abs().sum([d for d in range(x.ndim) if d != dim])
            unseen = (reached == 0).nonzero().flatten().tolist()
            demand(
                not unseen,
                f"{place.where} the output does not depend on {word} {', '.join(map(str, unseen))}. Carry the state "
                "from step to step, and let every part of the input reach the output.",
            )


def _output(technique: Model, spec: DataSpec, chosen: Kit) -> Tensor:
    """Return the training output with weights that the kit's own initialiser chose: equal but for what was chosen."""
    seed_torch(0)
    model = technique.build(chosen, spec).double().train()
    initialize(model, Scaled(), seed=0)
    out: Tensor = model(torch.randn(4, *spec.input_shape, generator=torch.Generator().manual_seed(0)).double())
    return out


def _takes_part(technique: Model, chosen: Kit, way_out: str) -> None:
    for place in places(technique):
        spec = place.spec
        if spec is not None and hidden_layers(place.build()):
            plain, other = _output(technique, spec, kit()), _output(technique, spec, chosen)
            demand(
                plain.shape != other.shape or not torch.equal(plain, other),
                f"for {spec.task.value} of {spec.layout} another one changes nothing. {way_out}",
            )


def hidden_layers(model: nn.Module) -> int:
    """Return how many layers of weights come before the output's."""
    return len(weight_layers(model)) - 1


@contract("model")
def has_its_activation(technique: Model) -> None:
    """Hidden layers have the activation of the kit; a model that brings its own waives this."""
    _takes_part(technique, kit(act=Sigmoid()), "Put kit.hidden(features, spatial) after each hidden layer.")


@contract("model")
def has_its_normalisation(technique: Model) -> None:
    """Hidden layers have the normalisation of the kit; a model without a place for it waives this."""
    _takes_part(technique, kit(norm=HalvedNorm()), "Put kit.hidden(features, spatial) after each hidden layer.")


@contract("model")
def has_its_regularizers(technique: Model) -> None:
    """Hidden layers have the layers of the kit's regularizers; a model without a place for them waives this."""
    _takes_part(
        technique,
        kit(reg={"halved": HalvedLayer()}),
        "Put kit.hidden(features, spatial), or *kit.reg_layers(features, spatial), after each hidden layer.",
    )
