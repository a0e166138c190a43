"""Losses: what training minimises.

C classes · p softmax of the logits (B, C, *S) · t target. Where a task has classes, a target is either indices
(B, *S), int64, or shares of the classes (B, C, *S), floats that sum to 1, as label smoothing and mixup make
them; an index is a share of 1. Everything is averaged over examples and pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import not_negative, positive
from ablate.errors import ConfigError
from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Criterion, Loss, Task

from .losses.triplet import Triplet

if TYPE_CHECKING:
    from torch import Tensor

CLASSES = frozenset({Task.classification, Task.segmentation})


def shares(target: Tensor, logits: Tensor) -> Tensor:
    """Return the target as shares of the classes: (B, *S) or (B, C, *S) → (B, C, *S), of the logits' type."""
    if not target.is_floating_point():
        target = torch.nn.functional.one_hot(target, logits.shape[1]).movedim(-1, 1)
    return target.to(logits.dtype)


@dataclass
class CrossEntropy(Loss):
    """-Σ t log p over the classes: -log p of the right one."""

    tasks: ClassVar[frozenset[Task]] = CLASSES

    def build(self, task: Task) -> Criterion:
        return torch.nn.CrossEntropyLoss()


@dataclass
class KL(Loss):
    """Kullback-Leibler divergence Σ t log(t / p) (1951): cross-entropy less the target's own entropy.

    Its gradient is that of cross_entropy. For class indices, whose entropy is zero, its value is too: the two
    losses differ for smoothed or mixed labels alone, and there only by a number that no weight changes.
    """

    tasks: ClassVar[frozenset[Task]] = CLASSES

    def build(self, task: Task) -> Criterion:
        def divergence(logits: Tensor, target: Tensor) -> Tensor:
            cross_entropy = torch.nn.functional.cross_entropy(logits, target)
            if not target.is_floating_point():
                return cross_entropy
            entropy: Tensor = torch.special.entr(target).sum(1).mean()
            return cross_entropy - entropy

        return divergence


@dataclass
class Focal(Loss):
    """-Σ t (1 - p)^gamma log p over the classes: what is right already counts less (Lin et al. 2017, arXiv:1708.02002).

    The paper has one sigmoid for each class, and weights the classes; this is the softmax form without weights.
    With gamma 0 it is cross_entropy.
    """

    tasks: ClassVar[frozenset[Task]] = CLASSES
    gamma: float = 2.0

    def __post_init__(self) -> None:
        not_negative(gamma=self.gamma)

    def build(self, task: Task) -> Criterion:
        def focal(logits: Tensor, target: Tensor) -> Tensor:
            log_p = logits.log_softmax(1)
            # Where p rounds to 1, the power's gradient is infinite for gamma < 1; times log p = 0 that is NaN.
            missing = (1 - log_p.exp()).clamp(min=torch.finfo(log_p.dtype).tiny)
            return -(shares(target, logits) * missing**self.gamma * log_p).sum(1).mean()

        return focal


class Violations(Enum):
    """Which classes count that come closer to the right one than the margin: the worst, or all, summed and over C."""

    worst = "worst"
    all = "all"


@dataclass
class Hinge(Loss):
    """max(0, 1 + z_j - z_y): the logit z_y of the right class is to lead every other z_j by a margin of 1.

    over: ``worst``, the largest over j ≠ y (Crammer & Singer 2001), or ``all``, their sum over C (torch's
    MultiMarginLoss; Weston & Watkins 1999 do not divide by C). Needs class indices: a share has no right class.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.classification})
    over: Violations = Violations.worst

    def build(self, task: Task) -> Criterion:
        def hinge(logits: Tensor, target: Tensor) -> Tensor:
            if target.is_floating_point():
                raise ConfigError(
                    "loss=hinge needs one class an example, but a regularizer has mixed or smoothed the labels. "
                    "Drop it, or take loss=cross_entropy."
                )
            if self.over is Violations.all:
                return torch.nn.functional.multi_margin_loss(logits, target)
            right = logits.gather(1, target[:, None])  # (B, 1)
            others = logits.scatter(1, target[:, None], -torch.inf)  # (B, C)
            return (1 + others.amax(1, keepdim=True) - right).clamp(min=0).mean()

        return hinge


@dataclass
class Dice(Loss):
    """1 - (2 Σ p t + smooth) / (Σ p + Σ t + smooth), summed over the batch's pixels, averaged over the classes.

    The overlap of prediction and target, so that a rare class counts as much as the background (Milletari et al.
    2016, arXiv:1606.04797, with squares in the denominator; this is the form of Drozdzal et al. 2016,
    arXiv:1608.04117). smooth: a class that is neither there nor predicted costs nothing.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.segmentation})
    smooth: float = 1.0

    def __post_init__(self) -> None:
        positive(smooth=self.smooth)

    def build(self, task: Task) -> Criterion:
        def dice(logits: Tensor, target: Tensor) -> Tensor:
            p, t = logits.softmax(1), shares(target, logits)
            pixels = [d for d in range(p.ndim) if d != 1]
            both = (p * t).sum(pixels)  # (C,)
            overlap = (2 * both + self.smooth) / (p.sum(pixels) + t.sum(pixels) + self.smooth)
            return 1 - overlap.mean()

        return dice

    def waives(self) -> Mapping[str, str]:
        return {"averages_over_the_batch": "smooth counts once a batch, however many pixels that has"}


class Prediction(Enum):
    """What mse compares with the one-hot class: the logits themselves, or their softmax."""

    logits = "logits"
    softmax = "softmax"


@dataclass
class MSE(Loss):
    """Mean of (prediction - target)²; against the one-hot class where the task has classes.

    on: what is compared with the one-hot class, ``softmax`` or ``logits``; a regression compares the
    prediction itself.
    """

    on: Prediction = Prediction.softmax

    def build(self, task: Task) -> Criterion:
        if task is Task.regression:
            return torch.nn.MSELoss()

        def against_one_hot(logits: Tensor, target: Tensor) -> Tensor:
            prediction = logits.softmax(1) if self.on is Prediction.softmax else logits
            return torch.nn.functional.mse_loss(prediction, shares(target, prediction))

        return against_one_hot


@dataclass
class MAE(Loss):
    """Mean absolute error |prediction - target|: outliers pull no harder than the rest."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.regression})

    def build(self, task: Task) -> Criterion:
        return torch.nn.L1Loss()


@dataclass
class Huber(Loss):
    """r²/2 of the error r up to ``delta``, from there on delta · (|r| - delta/2) (Huber 1964).

    delta: in standard deviations of the training targets, by which a regression's targets are scaled.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.regression})
    delta: float = 1.0

    def __post_init__(self) -> None:
        positive(delta=self.delta)

    def build(self, task: Task) -> Criterion:
        return torch.nn.HuberLoss(delta=self.delta)


@dataclass
class Auto(Loss):
    """The loss of the task: cross_entropy, -Σ t log p, for classes; mse, (prediction - target)², for a regression.

    For an embedding it is triplet; a model that generates brings its own.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset(Task)

    def build(self, task: Task) -> Criterion:
        if task is Task.generation:
            return no_criterion
        fitting = Triplet() if task is Task.embedding else CrossEntropy() if task in CLASSES else MSE()
        return fitting.build(task)


def no_criterion(prediction: Tensor, target: Tensor) -> Tensor:
    """Refuse: what is generated has no target."""
    raise ConfigError("loss=auto knows no loss of a generation: the model's module is to override outcome().")


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the losses."""
    register("auto", Auto)
    register("triplet", Triplet)
    register("cross_entropy", CrossEntropy)
    register("kl", KL)
    register("focal", Focal)
    register("hinge", Hinge)
    register("dice", Dice)
    register("mse", MSE)
    register("mae", MAE)
    register("huber", Huber)
