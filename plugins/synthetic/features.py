"""Tables whose features are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least
from ablate.techniques import Scale, Task

from .base import Synthetic

if TYPE_CHECKING:
    from ablate.dataset import Splits


@dataclass
class RareFeatures(Synthetic):
    """A linear regression on features that are zero most of the time, as words are in texts.

    A feature is 0 but for a share of the examples, which falls evenly on a logarithmic scale from 1 for the first to
    ``rarest`` for the last; where it is not 0, it is normal. Each is worth as much to the target, whose noise has a
    tenth of its variance. With rarest=1 no feature is ever 0. A weight's gradient is as sparse as its feature (the
    setting of Duchi et al. 2011, Adagrad). features: how many.
    """

    task: ClassVar[Task] = Task.regression
    scale: Scale = Scale.none
    count: int = 2000
    features: int = 50
    rarest: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(2, features=self.features)
        if not 0 < self.rarest <= 1:
            raise ValueError(f"rarest must be above 0 and at most 1, not {self.rarest}")

    def load(self, seed: int) -> Splits:
        from ..datasets import features

        return features.rare(seed, self.count, self.features, self.rarest)
