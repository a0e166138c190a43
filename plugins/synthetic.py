"""Data sets that are made up, each to show one thing that a network can or cannot do; ``data.py`` registers them.

``count`` is the number of examples in all three splits, 60 : 20 : 20. Each split is drawn from a random stream of
its own, which the seed decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ablate.checks import at_least, not_negative
from ablate.techniques import Data, Task

if TYPE_CHECKING:
    from ablate.dataset import Splits


@dataclass
class Synthetic(Data):
    """Base of the data sets of which any number of examples can be drawn: ``count``, in all three splits."""

    count: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(10, count=self.count)


@dataclass
class Spirals(Synthetic):
    """Points in the plane on ``classes`` interleaved spiral arms: no straight line parts them.

    An arm runs from the origin to radius 1 in ``turns`` turns. noise: standard deviation of each coordinate.
    Two arms of three turns are the two spirals of Lang & Witbrock 1988.
    """

    task: ClassVar[Task] = Task.classification
    classes: int = 2
    turns: float = 1.0
    noise: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(2, classes=self.classes)
        not_negative(noise=self.noise, turns=self.turns)

    def load(self, seed: int) -> Splits:
        from .datasets import plane

        return plane.spirals(seed, self.count, self.classes, self.turns, self.noise)


@dataclass
class Rings(Synthetic):
    """Points in the plane on concentric rings, a class each, of radius 1/classes to 1.

    noise: standard deviation of each coordinate.
    """

    task: ClassVar[Task] = Task.classification
    classes: int = 2
    noise: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(2, classes=self.classes)
        not_negative(noise=self.noise)

    def load(self, seed: int) -> Splits:
        from .datasets import plane

        return plane.rings(seed, self.count, self.classes, self.noise)


@dataclass
class PointSets(Synthetic):
    """Outlines in the plane (circle, triangle, square, cross) as sets of ``points`` points, (points, 2), in no order.

    Each is turned at random; the points are drawn evenly along the outline. noise: standard deviation of each
    coordinate, beside a radius of 1. A model sees them as a sequence, so that order invariance can be asked for.
    """

    task: ClassVar[Task] = Task.classification
    points: int = 32
    noise: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(3, points=self.points)
        not_negative(noise=self.noise)

    def load(self, seed: int) -> Splits:
        from .datasets import plane

        return plane.point_sets(seed, self.count, self.points, self.noise)


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
        from .datasets import bits

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
        from .datasets import bits

        return bits.boolean(self.n, self.function, self.repeats)


@dataclass
class Adding(Synthetic):
    """The sum of the two marked among ``length`` numbers between 0 and 1 (Hochreiter & Schmidhuber 1997).

    A step has a number and a mark, (length, 2); one mark is in each half. This is the form of Arjovsky et al. 2015,
    arXiv:1511.06464; the original has numbers between -1 and 1 and sequences of different lengths.
    """

    task: ClassVar[Task] = Task.regression
    length: int = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(2, length=self.length)

    def load(self, seed: int) -> Splits:
        from .datasets import sequences

        return sequences.adding(seed, self.count, self.length)


@dataclass
class Copy(Synthetic):
    """``bits`` random bits, one a step, then ``length`` blank steps; then all of them are to be said.

    A step has the bit and whether it is one, (bits + length, 2). In the copy task of Hochreiter & Schmidhuber 1997
    and Graves et al. 2014 (arXiv:1410.5401) they are said step by step; here at once, as a regression of so many
    targets.
    """

    task: ClassVar[Task] = Task.regression
    length: int = 20
    bits: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, length=self.length)
        at_least(1, bits=self.bits)

    def load(self, seed: int) -> Splits:
        from .datasets import sequences

        return sequences.copy(seed, self.count, self.length, self.bits)


@dataclass
class Recall(Synthetic):
    """The first of a sequence of symbols is to be told after ``length`` further steps.

    Symbols are one-hot, (length + 1, symbols). The further steps are blank, or, with ``distractors``, random
    symbols that mean nothing.
    """

    task: ClassVar[Task] = Task.classification
    length: int = 20
    symbols: int = 4
    distractors: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, length=self.length)
        at_least(2, symbols=self.symbols)

    def load(self, seed: int) -> Splits:
        from .datasets import sequences

        return sequences.recall(seed, self.count, self.length, self.symbols, self.distractors)


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
        from .datasets import bits

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
        from .datasets import bits

        return bits.channel_xor(seed, self.count, self.size, self.channels)
