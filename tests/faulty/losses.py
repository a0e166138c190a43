"""Losses with one fault each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn
from torch.nn import functional as F

from ablate.techniques import (
    Criterion,
    Loss,
    Task,
)


@dataclass
class SumsUp(Loss):
    """Σ(prediction - target)²."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.regression})

    def build(self, task: Task) -> Criterion:
        return nn.MSELoss(reduction="sum")


@dataclass
class OneEach(Loss):
    """(prediction - target)², one for each."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.regression})

    def build(self, task: Task) -> Criterion:
        return nn.MSELoss(reduction="none")


@dataclass
class Gains(Loss):
    """-(prediction - target)²."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.regression})

    def build(self, task: Task) -> Criterion:
        return lambda prediction, target: -(prediction - target).square().mean()


@dataclass
class LogOfSoftmax(Loss):
    """-log p, p the softmax, computed as it stands there = NaN."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.classification})

    def build(self, task: Task) -> Criterion:
        return lambda logits, target: F.nll_loss((logits.exp() / logits.exp().sum(1, keepdim=True)).log(), target)


@dataclass
class HalfDetached(Loss):
    """r · |r|, r the error, one of them detached."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.regression})

    def build(self, task: Task) -> Criterion:
        return lambda prediction, target: ((prediction - target) * (prediction - target).detach()).mean()


@dataclass
class IndicesAlone(Loss):
    """-log p; fails on soft targets, in torch's words."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.classification})

    def build(self, task: Task) -> Criterion:
        return lambda logits, target: F.nll_loss(logits.log_softmax(1), target)


@dataclass
class FirstPixel(Loss):
    """-log p of the first pixel."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.segmentation})

    def build(self, task: Task) -> Criterion:
        return lambda logits, target: F.cross_entropy(logits[..., 0, 0], target[..., 0, 0])
