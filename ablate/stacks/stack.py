"""K runs of one graph, trained as one program: every member is the run that it would be alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ablate.stacks.member import Member
from ablate.stacks.network import release
from ablate.stacks.program import Objective, Program
from ablate.stacks.updates import Updates
from ablate.techniques import Criterion


class Stack:
    """Members that train together, batch by batch; their networks hold their weights at any time.

    Between batches, :meth:`settle` brings their optimizers and schedules up to date too: then a checkpoint of a member
    is that of the run alone. Raises ``NotStackable`` for members that are not of one graph; whether a stack computes
    what its members do is for :func:`ablate.stacks.verification.verify` to say.
    """

    def __init__(self, members: Sequence[Member], criterion: Criterion) -> None:
        self.members = list(members)
        self.criterion = criterion
        networks, generators, regs = zip(*((m.network, m.generator, m.reg) for m in members), strict=True)
        self.program = Program(networks, generators, regs, criterion)
        self.updates = Updates(members, list(self.program.network.parameters()))

    def train(self, mode: bool = True) -> None:
        """Put the network of all, and each member's, into training or evaluation mode, where it is not."""
        for network in (self.program.network, *(member.network for member in self.members)):
            if network.training is not mode:
                network.train(mode)

    def step(self, x: Tensor, y: Tensor) -> Objective:
        """Take one optimizer step of every member on a batch of its own, x and y (K, B, …)."""
        objective = self.program.backward(x, y)
        self.updates.step()
        self.updates.move()
        return objective

    def settle(self) -> None:
        """Bring the members' own optimizers and schedules up to date; their networks and generators always are."""
        self.updates.settle()

    def only(self, numbers: Sequence[int]) -> Stack:
        """Return a stack of some of the members, by their numbers here; those left out keep what they have come to.

        This stack is at its end.
        """
        self.settle()
        for member in self.members:
            release(member.network)
        return Stack([self.members[number] for number in numbers], self.criterion)
