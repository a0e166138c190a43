"""Optimizers: the update rule of the weights. w weights · g gradient · t step.

Those that divide by the size of g stand in ``optimizers/adaptive.py``. What torch does not have is beside it, and
is imported when one is built: a listing needs no torch. ``weight_decay`` exists where a rule decouples it,
w ← w - lr · weight_decay · w beside the step; for the L2 penalty, which goes through the gradient, take ``reg=l2``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least, fraction, not_negative, positive
from ablate.hookspecs import Register, hookimpl
from ablate.lazy import torch
from ablate.techniques import Optimizer

from .optimizers.adaptive import Adadelta, Adagrad, Adam, AdamW, NAdam, RAdam, RMSprop

if TYPE_CHECKING:
    from torch import nn


@dataclass
class SGD(Optimizer):
    """w ← w - lr · g: gradient descent on mini-batches."""

    elementwise: ClassVar[bool] = True
    lr: float = 0.1

    def __post_init__(self) -> None:
        positive(lr=self.lr)

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(params, lr=self.lr)


@dataclass
class GD(SGD):
    """w ← w - lr · g with the gradient of the whole training split: needs ``data.batch_size=all`` (Cauchy 1847).

    The rule is that of ``sgd``; the batch makes the difference.
    """

    full_batch: ClassVar[bool] = True


@dataclass
class Momentum(Optimizer):
    """v ← momentum · v + g, w ← w - lr · v: the heavy ball (Polyak 1964; Sutskever et al. 2013).

    The papers sum lr · g in v, torch sums g: the two differ where the rate changes during a run.
    """

    elementwise: ClassVar[bool] = True
    lr: float = 0.01
    momentum: float = 0.9

    def __post_init__(self) -> None:
        positive(lr=self.lr)
        fraction(momentum=self.momentum)

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(params, lr=self.lr, momentum=self.momentum)


@dataclass
class Nesterov(Momentum):
    """v ← momentum · v + g, w ← w - lr · (g + momentum · v): momentum that looks ahead (Nesterov 1983).

    Nesterov takes the gradient at w - lr · momentum · v; this form (Bengio et al. 2012, arXiv:1212.0901) follows
    that point instead of w, so that the gradient is needed only where the weights are. With momentum 0 it is ``sgd``.
    """

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        # torch refuses nesterov with momentum 0
        return torch.optim.SGD(params, lr=self.lr, momentum=self.momentum, nesterov=self.momentum > 0)


@dataclass
class Lion(Optimizer):
    """Steps of one size, along the sign of a running mean of g (Chen et al. 2023, arXiv:2302.06675).

    w ← w - lr · (sign(beta1 · m + (1 - beta1) · g) + weight_decay · w), then m ← beta2 · m + (1 - beta2) · g.
    The default rate is a third of adam's: the paper advises a third to a tenth.
    """

    elementwise: ClassVar[bool] = True
    lr: float = 3e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        positive(lr=self.lr)
        fraction(beta1=self.beta1, beta2=self.beta2)
        not_negative(weight_decay=self.weight_decay)

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        from .optimizers import lion

        return lion.Lion(params, lr=self.lr, beta1=self.beta1, beta2=self.beta2, weight_decay=self.weight_decay)


@dataclass
class Muon(Optimizer):
    """Nesterov momentum of each weight matrix, orthogonalised (Jordan et al. 2024).

    m ← momentum · m + (1 - momentum) · g, O = orthogonalised((1 - momentum) · g + momentum · m) by ``steps``
    Newton-Schulz iterations, w ← w - lr · (√max(1, rows/columns) · O + weight_decay · w).
    Kernels (out, in, h, w) count as matrices (out, in · h · w). What has less than two dimensions (biases,
    scales) goes by AdamW with the rate ``adam_lr``, betas 0.9 and 0.95. Jordan leaves the first and last layer to
    AdamW as well; an optimizer here does not know a weight's place, so that they go by Muon.
    """

    lr: float = 0.02
    momentum: float = 0.95
    steps: int = 5
    weight_decay: float = 0.0
    adam_lr: float = 3e-4

    def __post_init__(self) -> None:
        positive(lr=self.lr, adam_lr=self.adam_lr)
        fraction(momentum=self.momentum)
        at_least(1, steps=self.steps)
        not_negative(weight_decay=self.weight_decay)

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        from .optimizers import muon

        return muon.Muon(
            params,
            lr=self.lr,
            momentum=self.momentum,
            steps=self.steps,
            weight_decay=self.weight_decay,
            adam_lr=self.adam_lr,
        )


class LineSearch(Enum):
    """How far along the direction: ``none`` lr times its length, or as far as the strong Wolfe conditions ask."""

    none = "none"
    strong_wolfe = "strong_wolfe"


@dataclass
class LBFGS(Optimizer):
    """Quasi-Newton steps from the last ``history`` changes of w and g (Liu & Nocedal 1989).

    One step makes up to ``iterations`` evaluations of the batch's loss and gradient (a quarter more with the line
    search), so that a step costs as much as so many of other rules. Made for ``data.batch_size=all`` and a loss
    that does not change between evaluations: no dropout, no random batch transforms.
    """

    stackable: ClassVar[bool] = False  # it evaluates the loss several times a step
    lr: float = 1.0
    iterations: int = 20
    history: int = 10
    line_search: LineSearch = LineSearch.strong_wolfe

    def __post_init__(self) -> None:
        positive(lr=self.lr)
        at_least(1, iterations=self.iterations, history=self.history)

    def build(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        search = None if self.line_search is LineSearch.none else self.line_search.value
        return torch.optim.LBFGS(
            params, lr=self.lr, max_iter=self.iterations, history_size=self.history, line_search_fn=search
        )


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the optimizers."""
    register("sgd", SGD)
    register("gd", GD)
    register("momentum", Momentum)
    register("nesterov", Nesterov)
    register("rmsprop", RMSprop)
    register("adagrad", Adagrad)
    register("adadelta", Adadelta)
    register("adam", Adam)
    register("adamw", AdamW)
    register("nadam", NAdam)
    register("radam", RAdam)
    register("lion", Lion)
    register("muon", Muon)
    register("lbfgs", LBFGS)
