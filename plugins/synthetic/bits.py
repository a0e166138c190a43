"""Functions of bits, in tables and in images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ablate.checks import at_least
from ablate.techniques import Data, Task

from .base import Synthetic

if TYPE_CHECKING:
    from ablate.dataset import Splits


@dataclass
class TruthTable(Data):
    """Base of functions of ``n`` bits: training, validation and test are all the whole table of 2ⁿ rows.

    They ask whether a network can express and fit the function, not whether it generalises. repeats: how often
    the table is in the training split, so that an epoch has more than a step or two.
    """

    n: int = 4
    repeats: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, n=self.n, repeats=self.repeats)
        if self.n > 16:
            raise ValueError(f"n must be at most 16, not {self.n}: the table has 2ⁿ rows")

    def waives(self) -> Mapping[str, str]:
        """Return the contracts that a table which is the same for everybody cannot keep."""
        return {"splits_by_its_seed": "every split is the whole table"}


@dataclass
class Parity(TruthTable):
    """Whether the number of ones among ``n`` bits is odd: every bit matters, whatever the others are.

    The whole table is training, validation and test, so that a fit is measured and no generalisation; it is
    ``repeats`` times in the training split.
    """

    task: ClassVar[Task] = Task.classification

    def load(self, seed: int) -> Splits:
        from ..datasets import bits

        return bits.parity(self.n, self.repeats)


@dataclass
class Boolean(TruthTable):
    """A function of ``n`` bits drawn at random, each row a fair coin; the constant ones are left out.

    function: which one; it does not change with the seed of a run. The whole table is training, validation and
    test, so that a fit is measured and no generalisation; it is ``repeats`` times in the training split.
    """

    task: ClassVar[Task] = Task.classification
    function: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, function=self.function)

    def load(self, seed: int) -> Splits:
        from ..datasets import bits

        return bits.boolean(self.n, self.function, self.repeats)


@dataclass
class OffsetXor(Synthetic):
    """Images of random bits; a pixel's label is its bit xor the one ``offset`` pixels to the right.

    Beyond the edge is 0. What a pixel's surroundings do not reach, chance alone can tell: a test of the receptive
    field. size: height and width.
    """

    task: ClassVar[Task] = Task.segmentation
    batch_size: Any = 16  # every image has hundreds of labels
    count: int = 500
    size: int = 16
    offset: int = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, offset=self.offset)
        at_least(self.offset + 1, size=self.size)

    def load(self, seed: int) -> Splits:
        from ..datasets import bits

        return bits.offset_xor(seed, self.count, self.size, self.offset)


@dataclass
class ChannelXor(Synthetic):
    """Images of random bits in ``channels`` channels; a pixel's label is the xor of its own.

    No neighbour matters: what mixes channels at one place (1 × 1 kernels) is enough. size: height and width.
    """

    task: ClassVar[Task] = Task.segmentation
    batch_size: Any = 16
    count: int = 500
    size: int = 16
    channels: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, size=self.size)
        at_least(2, channels=self.channels)

    def load(self, seed: int) -> Splits:
        from ..datasets import bits

        return bits.channel_xor(seed, self.count, self.size, self.channels)
