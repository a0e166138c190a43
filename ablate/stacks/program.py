"""What a stack computes of a batch: the predictions of all members, what they minimise, and its gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ablate.diagnostics.layers import is_simple
from ablate.diagnostics.look import Look
from ablate.stacks.losses import Penalties, losses
from ablate.stacks.network import computing, stack
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
        self.first = networks[0]
        self.shows_layers = all(is_simple(layer) for _, layer in computing(self.network))
        """Whether each layer is computed by itself, and not several as one."""

    def look(self) -> Look:
        """Begin to look at the layers of all members."""
        return Look(self.network, self.first)

    def outcome(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the predictions (K, B, …) and losses (K,) of a batch of each member, x and y (K, B, …)."""
        prediction = self.network(x)
        return prediction, self.losses(prediction, y)

    def backward(self, x: Tensor, y: Tensor) -> Objective:
        """Leave the gradients of a batch of each member, x and y (K, B, …), with the stacked parameters."""
        _, found = self.outcome(x, y)
        penalties = self.penalties(found)
        (found if penalties is None else found + penalties).sum().backward()
        return Objective(found.detach(), None if penalties is None else penalties.detach())
