"""What is known of a run: the content of ``record.json``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """What became of a run."""

    running = "running"
    finished = "finished"
    diverged = "diverged"
    failed = "failed"
    interrupted = "interrupted"
    killed = "killed"
    """Its process was ended by the system: out of memory, say."""
    missing = "missing"
    """Never begun."""

    @property
    def done(self) -> bool:
        """Whether training the run again would give the same result."""
        return self in (Status.finished, Status.diverged)


FAILURES = frozenset({Status.failed, Status.killed})
"""What became of a run that could not be trained: something has to be mended, or freed."""


@dataclass
class Attempt:
    """One process's part in a run."""

    started: str
    host: str
    pid: int
    from_step: int = 0
    """The optimizer step of the checkpoint that it began with; 0 for the beginning."""
    commit: str | None = None
    seconds: float | None = None
    status: Status = Status.running
    """How it ended."""


@dataclass
class Facts:
    """The content of ``record.json``."""

    status: Status
    arm: str
    arm_hash: str
    seed: int
    choices: dict[str, str]
    """The option of each kind."""
    settings: dict[str, Any]
    """Every scientific setting by its key on the command line."""
    metric: str = "val/loss"
    """The validation metric that the run is judged by."""
    higher_is_better: bool = False
    test: dict[str, float | None] = field(default_factory=dict)
    """Test metrics of the weights with the best validation metric; None where one is not finite."""
    budget: int | None = None
    """How many optimizer steps were planned."""
    chance: float | None = None
    """The validation loss of a network whose outputs are all zero: ln C for the cross-entropy of C classes."""
    parameters: int | None = None
    transfer: dict[str, Any] | None = None
    """What ``init_from`` loaded, what it did not and why."""
    data: dict[str, Any] | None = None
    """Examples in each split, whether they were in memory or streamed, and, of data from outside, path and content."""
    replaced: dict[str, Any] | None = None
    """Of a network that somebody else wrote: which modules were replaced by what, and what could not be."""
    macs: int | None = None
    """Multiply-adds of one example."""
    optimizer_state_bytes: int | None = None
    """What the optimizer kept of the weights after the last step."""
    started: str | None = None
    seconds: float | None = None
    """Time in training, that of interrupted attempts up to their last checkpoint included."""
    pid: int | None = None
    host: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)
    """The settings that compose the run."""
    command: str | None = None
    """What the person typed."""
    git: dict[str, Any] | None = None
    """Commit and root of the working directory's repository, and whether it had changes: ``git.diff`` has them."""
    machine: dict[str, Any] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    """Every process that trained the run, the last one last."""
    warnings: list[str] = field(default_factory=list)
    """What was found damaged and set aside."""
    curves: str | None = None
    """Digest of ``metrics.csv`` when the run ended: a table that has lost its end is told from a whole one."""
    plugins: list[str] = field(default_factory=list)
    """The plugin files whose options the run uses."""
    error: str | None = None
    traceback: str | None = None
    imported: dict[str, str] | None = None
    """Of a run that ablate did not train: ``from`` which tracker, its ``source``, and which ``run`` it is there."""
    stack: list[str] = field(default_factory=list)
    """The runs that it trained in step with, ``<hash>/seed=<n>``."""
    log: list[str] = field(default_factory=list)
    """The last lines that the run's process printed."""
    schema: int = 2

    def __post_init__(self) -> None:
        """Take what JSON gives for the types that are no JSON."""
        self.status = Status(self.status)


def command(overrides: Sequence[str], plugins: Sequence[str] = ()) -> str:
    """Return the command that trains a run alone, for a shell."""
    named = [part for plugin in plugins for part in ("--plugin", plugin)]
    return shlex.join(["python", "-m", "ablate", *named, *overrides])
