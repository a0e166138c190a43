"""Data sets: real, embedded, no download; those that are made up stand in ``synthetic/``, one's own in ``sources/``.

What loads them stands in ``datasets/`` and is imported when it is needed: a listing needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from ablate.checks import at_least
from ablate.hookspecs import Register, hookimpl
from ablate.techniques import Data, Task

from .sources.arrays import Arrays
from .sources.hub import Cifar10, FashionMnist, Hub, Mnist
from .sources.images import Images
from .sources.table import Table
from .synthetic.bits import Boolean, ChannelXor, OffsetXor, Parity
from .synthetic.features import RareFeatures
from .synthetic.plane import Gaussians, PointSets, Rings, Spirals
from .synthetic.sequences import Adding, Copy, Recall

if TYPE_CHECKING:
    from ablate.dataset import Splits


@dataclass
class Digits(Data):
    """1,797 handwritten digits as images of 8 × 8 pixels, ten classes (scikit-learn)."""

    task: ClassVar[Task] = Task.classification

    def load(self, seed: int) -> Splits:
        from .datasets import digits

        return digits.digits(seed)


class Reading(Enum):
    """What is one time step of an image: a row, or a pixel."""

    rows = "rows"
    pixels = "pixels"


@dataclass
class DigitsRows(Data):
    """The digits as sequences, read from top to bottom.

    by: ``rows``, 8 steps of 8 pixels, or ``pixels``, 64 steps of one.
    """

    task: ClassVar[Task] = Task.classification
    by: Reading = Reading.rows

    def load(self, seed: int) -> Splits:
        from .datasets import digits

        return digits.rows(seed, pixels=self.by is Reading.pixels)


@dataclass
class DigitsCanvas(Data):
    """Several digits on a larger canvas, a label for every pixel: background, or which digit's ink it is.

    count: canvases in all three splits · size: height and width · digits: how many on each, without overlap.
    """

    task: ClassVar[Task] = Task.segmentation
    batch_size: Any = 8  # every canvas has hundreds of labels
    count: int = 600
    size: int = 24
    digits: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(8, size=self.size)
        if not 1 <= self.digits <= (self.size // 8) ** 2:
            raise ValueError(f"a canvas of size {self.size} has room for 1 to {(self.size // 8) ** 2} digits")
        at_least(10, count=self.count)

    def load(self, seed: int) -> Splits:
        from .datasets import digits

        return digits.canvas(seed, self.count, self.size, self.digits)


@dataclass
class DigitsPlaced(Data):
    """The digits, each at a random place of a larger canvas that is empty otherwise.

    size: height and width of the canvas. What a digit is does not depend on where it is. digits: which of them there
    are, each a class, in this order; all ten.
    """

    task: ClassVar[Task] = Task.classification
    size: int = 16
    digits: list[int] = field(default_factory=lambda: list(range(10)))

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(8, size=self.size)
        if len(self.digits) < 2 or len(set(self.digits)) < len(self.digits) or not set(self.digits) <= set(range(10)):
            raise ValueError(f"digits must be two or more different ones of 0 to 9, not {list(self.digits)}")

    def load(self, seed: int) -> Splits:
        from .datasets import digits

        return digits.placed(seed, self.size, self.digits)


@dataclass
class Diabetes(Data):
    """442 patients with 10 features; the progression of the disease is to be predicted (Efron et al. 2004)."""

    task: ClassVar[Task] = Task.regression

    def load(self, seed: int) -> Splits:
        from .datasets import tables

        return tables.diabetes(seed)


@dataclass
class BreastCancer(Data):
    """569 tumours with 30 features of their cell nuclei, malignant or benign (Wolberg et al. 1995, UCI)."""

    task: ClassVar[Task] = Task.classification

    def load(self, seed: int) -> Splits:
        from .datasets import tables

        return tables.breast_cancer(seed)


@dataclass
class Wine(Data):
    """178 wines of three growers with 13 chemical features, of very different sizes (Aeberhard & Forina 1991, UCI)."""

    task: ClassVar[Task] = Task.classification

    def load(self, seed: int) -> Splits:
        from .datasets import tables

        return tables.wine(seed)


@dataclass
class Iris(Data):
    """150 irises of three species with 4 lengths and widths (Fisher 1936, UCI)."""

    task: ClassVar[Task] = Task.classification

    def load(self, seed: int) -> Splits:
        from .datasets import tables

        return tables.iris(seed)


@hookimpl
def register_techniques(register: Register) -> None:
    """Add the data sets."""
    register("digits", Digits)
    register("digits_rows", DigitsRows)
    register("digits_canvas", DigitsCanvas)
    register("digits_placed", DigitsPlaced)
    register("diabetes", Diabetes)
    register("breast_cancer", BreastCancer)
    register("wine", Wine)
    register("iris", Iris)
    register("spirals", Spirals)
    register("rings", Rings)
    register("gaussians", Gaussians)
    register("parity", Parity)
    register("boolean", Boolean)
    register("adding", Adding)
    register("copy", Copy)
    register("recall", Recall)
    register("offset_xor", OffsetXor)
    register("channel_xor", ChannelXor)
    register("point_sets", PointSets)
    register("rare_features", RareFeatures)
    register("table", Table)
    register("images", Images)
    register("arrays", Arrays)
    register("hub", Hub)
    register("mnist", Mnist)
    register("fashion_mnist", FashionMnist)
    register("cifar10", Cifar10)
