"""Data sets of the Hugging Face hub, and local ones in its layout."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ablate.contents import digest
from ablate.techniques import Origin

from .images import Pictured
from .table import Tabular

if TYPE_CHECKING:
    from ..datasets.collection import Collection


@dataclass
class Hub(Tabular, Pictured):
    """A data set of the Hugging Face hub by its name, or a local folder or parquet file of its layout (extra hub).

    config: one of several parts that a data set has · revision: branch, tag or commit on the hub · inputs: the column
    of images, where there are several · target: the column to predict, where the labels are not plain · size, colour:
    of images, as of data=images · target_type, drop, categorical, max_categories: of a table, which is what a data
    set without images is taken for, as of data=table. A split that is missing is drawn from train by the seed.
    Nothing that a data set brings along is run.
    """

    needs: ClassVar[str] = "the Hugging Face hub, or a local folder or parquet file"
    example: ClassVar[str] = "data.path=ylecun/mnist"
    config: str | None = None
    revision: str | None = None
    inputs: str | None = None

    @property
    def title(self) -> str | None:
        return None if self.path is None else Path(self.path).name.removesuffix(".parquet") or None

    @property
    def is_local(self) -> bool:
        """Whether the path is one of a file or folder here."""
        return bool(self.path) and Path(str(self.path)).expanduser().exists()

    def absolute(self) -> Hub:
        return super().absolute() if self.is_local else self

    def content(self) -> str | None:
        from ..datasets import hub_sets

        if not self.path or self.is_local:
            return digest(self.place)
        return hub_sets.content(self.path, self.config, self.revision)

    def origin(self) -> Origin | None:
        found = self.opened()
        place = str(self.place) if self.is_local else str(self.path)
        return Origin(place, self.content() or "", found.sentences, found.features, found.classes)

    def opened(self) -> Collection:
        from ..datasets import hub_sets

        place = self.place if self.is_local or not self.path else self.path
        return hub_sets.hub(place, str(self.content()), self.reading())


@dataclass
class Mnist(Hub):
    """70,000 handwritten digits of 28 × 28 pixels, from the hub (LeCun et al. 1998); its own 10,000 for the test."""

    path: str | None = field(default="ylecun/mnist", kw_only=True)


@dataclass
class FashionMnist(Hub):
    """70,000 pieces of clothing of 28 × 28 pixels, from the hub (Xiao et al. 2017); its own 10,000 for the test."""

    path: str | None = field(default="zalando-datasets/fashion_mnist", kw_only=True)


@dataclass
class Cifar10(Hub):
    """60,000 colour images of 32 × 32 pixels, ten classes, from the hub (Krizhevsky 2009); its 10,000 for the test."""

    path: str | None = field(default="uoft-cs/cifar10", kw_only=True)
