"""Regularizers that act between the steps of training."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ablate.checks import at_least, fraction, not_negative, positive
from ablate.techniques import Regularizer

if TYPE_CHECKING:
    from lightning.pytorch import Callback


@dataclass
class EarlyStopping(Regularizer):
    """Stop when the validation metric has not improved for ``patience`` points of the curves (Prechelt 1998).

    The best weights are kept in any case, and tested. min_delta: what counts as an improvement.
    """

    patience: int = 3
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        at_least(1, patience=self.patience)
        not_negative(min_delta=self.min_delta)

    def callbacks(self, monitor: str, higher_is_better: bool) -> list[Callback]:
        from lightning.pytorch import callbacks

        mode = "max" if higher_is_better else "min"
        return [callbacks.EarlyStopping(monitor, self.min_delta, self.patience, mode=mode, check_finite=False)]


@dataclass
class MaxNorm(Regularizer):
    """After each step, every unit's incoming weights are scaled to a norm of at most ``limit``.

    Srebro & Shraibman 2005; as used with dropout by Srivastava et al. 2014 (JMLR 15).
    """

    limit: float = 3.0

    def __post_init__(self) -> None:
        positive(limit=self.limit)

    def callbacks(self, monitor: str, higher_is_better: bool) -> list[Callback]:
        from .callbacks import MaxNorm

        return [MaxNorm(self.limit)]


class ClipBy(Enum):
    """What is limited: the norm of the whole gradient, or each of its values."""

    norm = "norm"
    value = "value"


@dataclass
class GradientClipping(Regularizer):
    """Limit on the gradient before each step (Pascanu et al. 2012, arXiv:1211.5063): g · min(1, limit / |g|).

    by: ``norm``, of the gradient of all weights together, or ``value``, each clamped to ± limit.
    """

    limit: float = 1.0
    by: ClipBy = ClipBy.norm

    def __post_init__(self) -> None:
        positive(limit=self.limit)

    def callbacks(self, monitor: str, higher_is_better: bool) -> list[Callback]:
        from .callbacks import GradientClipping

        return [GradientClipping(self.limit, by_value=self.by is ClipBy.value)]


@dataclass
class WeightAveraging(Regularizer):
    """Exponential moving average of the weights, measured and kept instead of the last (Polyak & Juditsky 1992).

    average ← decay · average + (1 - decay) · weights after each step, from the weights after the first.
    """

    decay: float = 0.99

    def __post_init__(self) -> None:
        fraction(decay=self.decay)

    def callbacks(self, monitor: str, higher_is_better: bool) -> list[Callback]:
        from lightning.pytorch.callbacks import EMAWeightAveraging

        return [EMAWeightAveraging(decay=self.decay)]
