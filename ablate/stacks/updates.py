"""The optimizer steps of a stack. K members, the parameters of all (K, *shape)."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ablate.stacks.member import Member

_ONE_PASS = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad)


class Updates:
    """Clipping, optimizers and schedules of all members, as each would have them alone.

    Neighbours that have come equally far with equal options, by a rule that treats each number of a parameter alike,
    take their steps as one optimizer of rows of the stacked parameters. Any other member takes its own.
    """

    def __init__(self, members: Sequence[Member], parameters: Sequence[nn.Parameter]) -> None:
        self.members = members
        self.parameters = parameters
        self.steps: list[Alone | Together] = []
        numbered = list(enumerate(members))
        for _, group in groupby(numbered, key=lambda pair: _rule(*pair)):
            (first, _), *others = block = list(group)
            rows = slice(first, first + len(block))
            if others:
                self.steps.append(Together([member for _, member in block], rows, parameters))
            else:
                self.steps.append(Alone(block[0][1], first, parameters))
        limits = [torch.inf if member.clip is None else member.clip for member in members]
        self.limits = torch.tensor(limits, dtype=torch.float64) if min(limits) < torch.inf else None

    def step(self) -> None:
        """Let every member take one step along its row of the gradients, and forget them."""
        if self.limits is not None:
            clip_norms([p.grad for p in self.parameters if p.grad is not None], self.limits)
        for step in self.steps:
            step.step()
        for parameter in self.parameters:
            parameter.grad = None

    def gradient_norms(self) -> Tensor:
        """Return the norm of every member's whole gradient, (K,)."""
        return norms([p.grad for p in self.parameters if p.grad is not None])

    def move(self) -> None:
        """Move every member's schedule by one step, but for those that go by a metric."""
        for step in self.steps:
            step.move()

    def settle(self) -> None:
        """Give every member's own optimizer and schedule the state they would have alone."""
        for step in self.steps:
            step.settle()


def _rule(number: int, member: Member) -> object:
    """Return what neighbours have in common whose steps are one; the number of a member that takes its own."""
    scalars = any(p.ndim == 0 for p in member.network.parameters())  # cannot be told from the counts in a state
    if not member.opt.elementwise or scalars or isinstance(member.schedule, ReduceLROnPlateau):
        return number
    return member.opt, member.sched, _settings(member.optimizer), member.schedule and member.schedule.last_epoch


def _settings(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return the settings of an optimizer's groups of parameters as they stand."""
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


class Alone:
    """The steps of one member, by its own optimizer."""

    def __init__(self, member: Member, row: int, parameters: Sequence[nn.Parameter]) -> None:
        self.optimizer, self.schedule = member.optimizer, member.schedule
        self.row = row
        self.parameters = list(zip(member.network.parameters(), parameters, strict=True))

    def step(self) -> None:
        """Take one step along the member's row of the gradients."""
        for own, stacked in self.parameters:
            own.grad = None if stacked.grad is None else stacked.grad[self.row]
        self.optimizer.step()
        self.optimizer.zero_grad()

    def move(self) -> None:
        """Move the schedule."""
        if self.schedule is not None and not isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step()

    def settle(self) -> None:
        """Do nothing: optimizer and schedule are the member's own."""


class Together:
    """The steps of neighbours with equal rules, by the optimizer of the first: it is lent the rows of all.

    So the schedule of the first, to which those of the others are equal, moves the rate of all. Where torch can compute
    the rule in one pass over memory, that is how it does meanwhile: the weights of a stack are more than a cache holds.
    """

    def __init__(self, members: Sequence[Member], rows: slice, parameters: Sequence[nn.Parameter]) -> None:
        self.members = members
        self.optimizer, self.schedule = members[0].optimizer, members[0].schedule
        self.rows, self.stacked = rows, parameters
        self.whole = rows == slice(0, len(parameters[0]))
        self.lent = [p if self.whole else nn.Parameter(p.detach()[rows], p.requires_grad) for p in parameters]
        self.own: list[dict[Tensor, nn.Parameter]] = [
            dict(zip(self.lent, member.network.parameters(), strict=True)) for member in members
        ]
        lent = {own: rows for rows, own in self.own[0].items()}
        self.groups = [[lent[p] for p in group["params"]] for group in self.optimizer.param_groups]
        self.fused = [
            {"fused": group["fused"]} if _has_one_pass(self.optimizer) else {} for group in self.optimizer.param_groups
        ]
        """What the optimizer's groups say of that otherwise."""
        self.state: defaultdict[Tensor, Any] = defaultdict(dict)
        for p in self.lent:
            if all(states := [m.optimizer.state.get(own[p]) for m, own in zip(members, self.own, strict=True)]):
                self.state[p] = _joined(cast(list[dict[str, Any]], states), p.shape[1:])

    def step(self) -> None:
        """Take one step along the members' rows of the gradients."""
        if self.optimizer.state is not self.state:
            self.optimizer.state = self.state
            for group, lent, fused in zip(self.optimizer.param_groups, self.groups, self.fused, strict=True):
                group.update(dict.fromkeys(fused, True), params=lent)
        if not self.whole:
            for p, stacked in zip(self.lent, self.stacked, strict=True):
                p.grad = None if stacked.grad is None else stacked.grad[self.rows]
        self.optimizer.step()
        for p in self.lent:
            p.grad = None

    def move(self) -> None:
        """Move the schedule of the first, and so the rate of all."""
        if self.schedule is not None:
            self.schedule.step()

    def settle(self) -> None:
        """Give back what was lent: every optimizer has its own parameters, settings and state, as views of the rows."""
        settings = [own | fused for own, fused in zip(_settings(self.optimizer), self.fused, strict=True)]
        for row, (member, own) in enumerate(zip(self.members, self.own, strict=True)):
            optimizer, schedule = member.optimizer, member.schedule
            for group, given, lent in zip(optimizer.param_groups, settings, self.groups, strict=True):
                group.update(copy.deepcopy(given), params=[own[p] for p in lent])
            optimizer.state = defaultdict(dict, {own[p]: _row(s, row, p.shape) for p, s in self.state.items()})
            if schedule is not None and self.schedule is not None and schedule is not self.schedule:
                schedule.load_state_dict(copy.deepcopy(self.schedule.state_dict()))


def _has_one_pass(optimizer: torch.optim.Optimizer) -> bool:
    parameters = (p for group in optimizer.param_groups for p in group["params"])
    # elsewhere a fused rule keeps its counts on the device, and could not go on from those of a run alone
    return type(optimizer) in _ONE_PASS and all(p.is_floating_point() and p.device.type == "cpu" for p in parameters)


def _joined(states: Sequence[dict[str, Any]], shape: torch.Size) -> dict[str, Any]:
    """Return the state of a parameter's rows from those of the members' own, of this shape; what else is in it is one.

    Raises ``ValueError`` where members have come to different steps.
    """
    joined = {}
    for key, value in states[0].items():
        values = [state[key] for state in states]
        if isinstance(value, Tensor) and value.shape == shape:
            joined[key] = torch.stack(values)
        elif all(other == value for other in values):
            joined[key] = copy.deepcopy(value)
        else:
            raise ValueError(f"members cannot go on as one stack from different steps: {key} is {values}")
    return joined


def _row(state: dict[str, Any], row: int, shape: torch.Size) -> dict[str, Any]:
    """Return a member's part of what :func:`_joined` made for rows of this shape, (K, *shape)."""
    return {
        key: (value[row] if value.shape == shape else value.clone())
        if isinstance(value, Tensor)
        else copy.deepcopy(value)
        for key, value in state.items()
    }


def norms(gradients: Sequence[Tensor]) -> Tensor:
    """Return the norm of every member's gradients (K, *shape) together, (K,)."""
    each = torch.stack([torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in gradients])  # (tensors, K)
    total: Tensor = torch.linalg.vector_norm(each, dim=0)
    return total


@torch.no_grad()
def clip_norms(gradients: Sequence[Tensor], limits: Tensor) -> None:
    """Scale the gradients (K, *shape) of every member to a norm, over all of them, of at most its limit (K,), in place.

    The factor is that of ``torch.nn.utils.clip_grad_norm_``, limit / (norm + 1e-6).
    """
    found = norms(gradients)
    factors = (limits.to(found) / (found + 1e-6)).clamp(max=1)
    factors = factors.where(limits.to(found).isfinite(), 1)
    for g in gradients:
        g.mul_(factors.view(-1, *[1] * (g.ndim - 1)))
