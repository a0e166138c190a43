"""What all data from outside shares: where it is found, and where it is kept while a run trains."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ablate.contents import digest
from ablate.errors import ConfigError, did_you_mean
from ablate.techniques import Data, Hold, Origin, Task

if TYPE_CHECKING:
    from ablate.dataset import Splits

    from ..datasets.collection import Collection

CONTRACTS = (
    "builds_from_its_defaults",
    "gives_three_splits",
    "gives_finite_float32_inputs",
    "has_targets_of_its_task",
    "repeats_its_split",
    "splits_by_its_seed",
    "keeps_its_splits_apart",
    "builds_from_valid_parameters",
    "refuses_wrong_values",
    "uses_every_parameter",
    "stays_as_it_was",
)
"""Those that need examples."""


class Target(Enum):
    """What a target is: ``classes``, or ``numbers`` for a regression; ``auto`` looks."""

    auto = "auto"
    classes = "classes"
    numbers = "numbers"


@dataclass
class Outside(Data):
    """Examples from a place of the user's.

    path: the file or folder, from the working directory · hold: ``memory``, ``stream`` (batches are read while
    training goes on), or ``auto``, in memory if they fit; the numbers are the same.
    """

    elsewhere: ClassVar[frozenset[str]] = frozenset({"path", "hold"})
    needs: ClassVar[str] = "a file"
    example: ClassVar[str] = "data.path=FILE"
    path: str | None = field(default=None, kw_only=True)
    hold: Hold = field(default=Hold.auto, kw_only=True)

    @property
    def task(self) -> Task:
        """What is asked of a network, as the targets say."""
        return self.opened().task

    @property
    def holding(self) -> Hold:
        """Where the examples are to be while a run trains."""
        return self.hold

    @property
    def title(self) -> str | None:
        """The name of the file or folder."""
        return None if self.path is None else Path(self.path).expanduser().resolve().name.partition(".")[0] or None

    @property
    def place(self) -> Path:
        """The file or folder; raises ``ConfigError`` where there is none."""
        if not self.path:
            raise ConfigError(f"data.path is not set: this data is read from {self.needs}. Write {self.example}.")
        place = Path(self.path).expanduser()
        if not place.exists():
            there = sorted(each.name for each in place.parent.glob("*") if not each.name.startswith("."))
            near = did_you_mean(place.name, there) or (f" There is {', '.join(there[:8])}." if there else "")
            raise ConfigError(f"data.path={self.path}: there is no such file or folder ({place.absolute()}).{near}")
        return place.resolve()

    def absolute(self) -> Self:
        """Return the same with an absolute path."""
        return (
            self if self.path is None else dataclasses.replace(self, path=str(Path(self.path).expanduser().resolve()))
        )

    def content(self) -> str | None:
        """Return a digest of what the file, or every file in the folder, holds."""
        return digest(self.place)

    def reading(self) -> dict[str, Any]:
        """Return the parameters that decide how it is read: all that are not shared by every data set."""
        shared = {f.name for f in dataclasses.fields(Data)} | self.elsewhere
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in shared}
        return {name: value.name if isinstance(value, Enum) else value for name, value in own.items()}

    def opened(self) -> Collection:
        """Return the examples, before they are split."""
        raise NotImplementedError

    def origin(self) -> Origin | None:
        """Return where the examples come from, and what they are."""
        found = self.opened()
        place = str(self.place)
        return Origin(place, self.content() or "", found.sentences, found.features, found.classes)

    def load(self, seed: int) -> Splits:
        """Return the splits that belong to ``seed``."""
        return self.opened().splits(seed, self.train_size)

    def waives(self) -> Mapping[str, str]:
        """Return the contracts that wait for a path."""
        if self.path and Path(self.path).expanduser().exists():
            return {}
        return dict.fromkeys(CONTRACTS, f"it reads {self.needs}, and there is none at data.path={self.path}")
