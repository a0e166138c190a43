"""What a technique says of training in step with other runs of its graph. K members · B examples."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ablate.dataset import Examples
from ablate.stacks.member import Member
from ablate.stacks.network import NotStackable
from ablate.stacks.verification import verify
from ablate.techniques import Optimizer, Regularizer, Schedule, Technique
from ablate.testing.contract import Scope, contract, demand
from ablate.testing.places import Place, places
from ablate.testing.stand_ins import network

MEMBERS, STEPS = 3, 5


@contract("act", "norm", "pool", "model", "reg", scope=Scope.defaults)
def trains_in_step(technique: Technique) -> None:
    """Several runs compute at once what each computes alone, or the technique says ``stackable = False``.

    Compared are outputs of all layers, gradients, buffers, penalties and what was drawn at random.
    """
    if not technique.stackable:
        return
    reg = (technique,) if isinstance(technique, Regularizer) else ()
    if reg:
        _demand_in_step(Place("in a network", network, (6, 3, 4, 4), None), reg)
    for place in places(technique):
        _demand_in_step(place)


def _demand_in_step(place: Place, reg: Sequence[Regularizer] = ()) -> None:
    # something to learn before it, as most layers have nothing of their own
    members = [_member(nn.Sequential(_Weight(), place.made()), seed, reg) for seed in range(MEMBERS)]
    x = place.input()
    try:
        verify(members, _mean_square, Examples(x, torch.zeros(len(x))))
    except NotStackable as reason:
        demand(
            False,
            f"{place.where} {reason} Make it of layers that torch.vmap can take, or write `stackable: ClassVar[bool] = "
            "False`: then its runs train one by one.",
        )


def _member(network: nn.Module, seed: int, reg: Sequence[Regularizer]) -> Member:
    """Return a run of which only what it computes matters."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))])
    generator = torch.Generator().manual_seed(seed)
    return Member(network, Optimizer(), Schedule(), optimizer, None, generator, reg)


class _Weight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


def _mean_square(prediction: Tensor, _: Tensor) -> Tensor:
    return prediction.square().mean()


@contract("opt")
def treats_numbers_alike(technique: Optimizer) -> None:
    """A rule that says ``elementwise = True`` steps along the rows of a stacked parameter as along each by itself."""
    if not technique.elementwise:
        return
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(1 + STEPS, MEMBERS, 4, 3, generator=generator, dtype=torch.float64)  # (start and steps, K, …)
    alone = torch.stack([_stepped(technique, *own) for own in numbers.unbind(1)])
    worst = float((_stepped(technique, *numbers) - alone).abs().max())
    demand(
        worst < 1e-12,
        f"a row of a stacked parameter is {worst:.2g} from what it is by itself. Leave elementwise out where the rule "
        "looks at a whole parameter, at its norm or its shape.",
    )


def _stepped(technique: Optimizer, start: Tensor, *gradients: Tensor) -> Tensor:
    """Return a parameter after a step along each of the gradients."""
    parameter = nn.Parameter(start.clone())
    optimizer = technique.build([parameter])
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()
