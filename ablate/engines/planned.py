"""A run to train, as it is handed to whatever trains it."""

from __future__ import annotations

from dataclasses import dataclass

from ablate.config import Config
from ablate.facts import command
from ablate.record import Record, open_record


@dataclass(frozen=True)
class PlannedRun:
    """One run, and the overrides that compose it; can be pickled for another process."""

    config: Config
    arguments: tuple[str, ...]
    typed: str | None = None
    """The command that the run is part of, as the person typed it."""
    again: bool = False
    """Whether it is trained even if it has ended."""

    def record(self) -> Record:
        """Return its record as it is on disk now."""
        return open_record(self.config)

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from the others; a person may have given one label to all."""
        return self.config.arm_hash, self.config.seed

    @property
    def title(self) -> str:
        """What people call it: ``norm=bn,opt=sgd seed=0``."""
        return f"{self.config.label} seed={self.config.seed}"

    @property
    def command(self) -> str:
        """The command that trains it alone."""
        return command(self.arguments)
