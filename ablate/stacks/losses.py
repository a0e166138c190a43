"""What each member of a stack minimises. K members · B batch."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ablate.techniques import Criterion, Regularizer

MEANS = (nn.CrossEntropyLoss, nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.BCEWithLogitsLoss)
"""Losses of torch that are the mean of what they make of each output, unless they weight it."""


def losses(criterion: Criterion) -> Criterion:
    """Return ``criterion`` for all members: predictions and targets (K, B, …) → (K,)."""
    mean = isinstance(criterion, MEANS) and criterion.reduction == "mean" and getattr(criterion, "weight", None) is None
    if mean:
        each: Any = copy.copy(criterion)
        each.reduction = "none"

        def means(prediction: Tensor, target: Tensor) -> Tensor:
            if isinstance(criterion, nn.CrossEntropyLoss) and prediction.ndim == 3 and target.ndim == 2:
                # classes (K, C, B), as a linear layer has left them: a softmax of rows of ten costs ten times as much
                found: Tensor = each(prediction.transpose(1, 2), target)
            else:
                found = each(prediction.flatten(0, 1), target.flatten(0, 1))
            return found.view(len(prediction), -1).mean(1)

        return means
    return over_members(criterion)


def over_members(one: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a function of (K, …) for one of (…): by torch.vmap, or one after the other where that cannot do it."""
    vmapped: Callable[..., Tensor] = torch.vmap(one)

    def in_turn(*args: Tensor) -> Tensor:
        return torch.stack([one(*own) for own in zip(*args, strict=True)])

    chosen: Callable[..., Tensor] | None = None

    def call(*args: Tensor) -> Tensor:
        nonlocal chosen
        if chosen is None:
            try:
                with no_slow_vmap():
                    chosen = vmapped
                    return vmapped(*args)
            except (RuntimeError, UserWarning):
                chosen = in_turn
        return chosen(*args)

    return call


@contextmanager
def no_slow_vmap() -> Iterator[None]:
    """Make an error of torch's warning that vmap takes one member after the other, and slowly."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="There is a performance drop")
        yield


class Penalised(nn.Module):
    """The sum of the penalties of ``regs`` on a network, as a module that can be given other parameters."""

    def __init__(self, network: nn.Module, regs: Sequence[Regularizer]) -> None:
        super().__init__()
        self.network = network
        self.regs = regs

    def forward(self, like: Tensor) -> Tensor:
        """Return the sum; zero, like the given one, where there is no penalty."""
        terms = [term for reg in self.regs if (term := reg.penalty(self.network)) is not None]
        return torch.stack(terms).sum() if terms else torch.zeros_like(like)


class Penalties:
    """The penalties (K,) of all members; neighbours whose regularizers are equal are computed together."""

    def __init__(
        self, networks: Sequence[nn.Module], regs: Sequence[Sequence[Regularizer]], parameters: Mapping[str, Tensor]
    ) -> None:
        penalising = [[reg for reg in own if type(reg).penalty is not Regularizer.penalty] for own in regs]
        self.tensors = list(parameters.values())
        self.groups: list[tuple[slice, Callable[..., Tensor]]] = []
        if any(penalising):
            for own, group in groupby(range(len(regs)), key=penalising.__getitem__):
                members = list(group)
                penalised = Penalised(networks[members[0]], own)
                one = partial(_penalty, penalised, [f"network.{name}" for name in parameters])
                self.groups.append((slice(members[0], members[-1] + 1), over_members(one)))

    def __call__(self, losses: Tensor) -> Tensor | None:
        """Return the penalties, of the type of the ``losses`` (K,); None where no member can have one."""
        found = [penalty(losses[own].detach(), *(p[own] for p in self.tensors)) for own, penalty in self.groups]
        return torch.cat(found) if found else None


def _penalty(penalised: Penalised, names: Sequence[str], like: Tensor, *parameters: Tensor) -> Tensor:
    found: Tensor = functional_call(penalised, dict(zip(names, parameters, strict=True)), (like,))
    return found
