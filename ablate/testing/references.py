"""Comparison with a reference that an author brings: the formula once more, by other hands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ablate.techniques import Loss, Optimizer, Technique
from ablate.testing.contract import Contract, Scope, demand
from ablate.testing.optimizers import Bowl
from ablate.testing.places import places
from ablate.testing.use import pair

Reference: TypeAlias = Callable[..., Any]
"""``(technique, x)`` → the output of an activation, a norm in training, or a pool · ``(technique, params)`` → a
``torch.optim.Optimizer`` · ``(technique, prediction, target)`` → the value of a loss."""

KINDS = ("act", "norm", "pool", "opt", "loss")
TOLERANCE = 1e-10


def agreement(reference: Reference) -> Contract:
    """Return the contract that an option agrees with ``reference``."""

    def check(technique: Technique) -> None:
        if isinstance(technique, Optimizer):
            ours, theirs = Bowl(technique), Bowl(_Referred(technique, reference))
            for step in range(1, 11):
                for got, expected in zip(ours.run(1), theirs.run(1), strict=True):
                    _compare(f"after step {step}", got, expected)
        elif isinstance(technique, Loss):
            for task in technique.tasks:
                prediction, target = pair(task)
                got = technique.build(task)(prediction, target)
                _compare(f"for {task.value}", got, reference(technique, prediction, target))
        else:
            for place in places(technique):
                module: nn.Module = place.build().double()
                _compare(place.where, module(place.input()), reference(technique, place.input()))

    promise = "What it computes agrees with the reference that its author gives, to 1e-10 in float64."
    return Contract("agrees_with_its_reference", KINDS, Scope.neighbours, "", promise, check)


@dataclass
class _Referred(Optimizer):
    technique: Optimizer
    reference: Reference

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = self.reference(self.technique, list(params))
        return optimizer


def _compare(where: str, got: Tensor, expected: Tensor) -> None:
    off = float((got.detach() - expected.detach()).abs().max()) if got.shape == expected.shape else torch.inf
    demand(off <= TOLERANCE, f"{where} it is off its reference by {off:.3g}. Compare both with the formula.")
