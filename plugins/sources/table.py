"""Tables of the user's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ablate.checks import at_least

from .base import Outside, Target

if TYPE_CHECKING:
    from ..datasets.collection import Collection


@dataclass
class Tabular(Outside):
    """What is asked of the columns of a table, wherever it comes from."""

    target: Any = None  # str | list[str]
    target_type: Target = Target.auto
    drop: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    max_categories: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(2, max_categories=self.max_categories)
        names = self.target if isinstance(self.target, list | tuple) else [self.target]
        if self.target is not None and not (names and all(isinstance(name, str) and name for name in names)):
            raise ValueError(f"target must be a column's name, or a list of names, not {self.target!r}")


@dataclass
class Table(Tabular):
    """A table of one's own, csv or parquet: numbers as they are, words one-hot, missing values at the training mean.

    target: the column to predict, or ``[a,b]`` of numbers · target_type: what it is · drop: columns to leave out ·
    categorical: columns of numbers that are names of categories · max_categories: a column with more is refused ·
    split: a column that says train, val or test; without one a fifth each is drawn for val and test by the seed,
    class by class. A column in which values are missing gets another that says where. A category that training has
    not seen is all zeros.
    """

    needs: ClassVar[str] = "a csv or parquet file"
    example: ClassVar[str] = "data.path=x.csv data.target=COLUMN"
    split: str | None = None

    def opened(self) -> Collection:
        from ..datasets import table_files

        return table_files.table(self.place, str(self.content()), self.reading())
