"""Losses: what training minimises."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Criterion, Loss, Task

if TYPE_CHECKING:
    from torch import Tensor

CLASSES = frozenset({Task.classification, Task.segmentation})


@dataclass
class CrossEntropy(Loss):
    """-log softmax(logits)[target], averaged over examples and pixels."""

    tasks: ClassVar[frozenset[Task]] = CLASSES

    def build(self, task: Task) -> Criterion:
        return torch.nn.CrossEntropyLoss()


class Prediction(Enum):
    """What mse compares with the one-hot class: the logits themselves, or their softmax."""

    logits = "logits"
    softmax = "softmax"


@dataclass
class MSE(Loss):
    """Mean squared error; against the one-hot class where the task has classes.

    on: what is compared with the one-hot class, ``softmax`` or ``logits``; a regression compares the
    prediction itself.
    """

    on: Prediction = Prediction.softmax

    def build(self, task: Task) -> Criterion:
        if task is Task.regression:
            return torch.nn.MSELoss()

        def against_one_hot(logits: Tensor, target: Tensor) -> Tensor:
            # logits (B, C, *S), target (B, *S)
            prediction = logits.softmax(1) if self.on is Prediction.softmax else logits
            one_hot = torch.nn.functional.one_hot(target, logits.shape[1]).movedim(-1, 1)
            return torch.nn.functional.mse_loss(prediction, one_hot.to(prediction.dtype))

        return against_one_hot


@dataclass
class Auto(Loss):
    """The loss of the task: cross_entropy for classes, mse for a regression."""

    def build(self, task: Task) -> Criterion:
        return (CrossEntropy() if task in CLASSES else MSE()).build(task)


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the losses."""
    register("auto", Auto)
    register("cross_entropy", CrossEntropy)
    register("mse", MSE)
