"""Sequences: what a network has to remember."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ablate.checks import at_least
from ablate.techniques import Task

from .base import Synthetic

if TYPE_CHECKING:
    from ablate.dataset import Splits


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
        from ..datasets import sequences

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
        from ..datasets import sequences

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
        from ..datasets import sequences

        return sequences.recall(seed, self.count, self.length, self.symbols, self.distractors)
