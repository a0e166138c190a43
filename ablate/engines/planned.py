"""A run to train, as it is handed to whatever trains it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from ablate.config import Config
from ablate.record import Record, open_record


@dataclass(frozen=True)
class PlannedRun:
    """One run, and the overrides that compose it; can be pickled for another process."""

    config: Config
    arguments: tuple[str, ...]

    def record(self) -> Record:
        """Return its record as it is on disk now."""
        return open_record(self.config)

    @property
    def title(self) -> str:
        """What people call it: ``norm=bn,opt=sgd seed=0``."""
        return f"{self.config.label} seed={self.config.seed}"

    @property
    def command(self) -> str:
        """The command that trains it alone."""
        return shlex.join(["python", "-m", "ablate", *self.arguments])
