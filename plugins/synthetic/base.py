"""What data sets that are drawn have in common.

``count`` is the number of examples in all three splits, 60 : 20 : 20. Each split is drawn from a random stream of
its own, which the seed decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from ablate.checks import at_least
from ablate.techniques import Data


@dataclass
class Synthetic(Data):
    """Base of the data sets of which any number of examples can be drawn: ``count``, in all three splits."""

    count: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(10, count=self.count)
