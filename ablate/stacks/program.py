"""What a stack computes of a batch: the predictions of all members, what they minimise, and its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ablate.stacks.losses import Penalties, losses
from ablate.stacks.network import stack
from ablate.techniques import Criterion, Regularizer


class Objective(NamedTuple):
    """What the members minimise: the losses (K,) of a batch, and the penalties (K,) where there are any."""

    losses: Tensor
    penalties: Tensor | None


class Program:
    """K networks of one graph with their losses and penalties; raises ``NotStackable`` for others.

    The networks' tensors become views of the rows of ``network``'s. ``generators`` stand for the global random state
    of each run.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        generators: Sequence[torch.Generator],
        regs: Sequence[Sequence[Regularizer]],
        criterion: Criterion,
    ) -> None:
        self.network = stack(networks, generators)
        self.losses = losses(criterion)
        self.penalties = Penalties(networks, regs, dict(self.network.named_parameters()))

    def backward(self, x: Tensor, y: Tensor) -> Objective:
        """Leave the gradients of a batch of each member, x and y (K, B, …), with the stacked parameters."""
        found = self.losses(self.network(x), y)
        penalties = self.penalties(found)
        (found if penalties is None else found + penalties).sum().backward()
        return Objective(found.detach(), None if penalties is None else penalties.detach())
