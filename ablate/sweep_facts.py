"""What a sweep leaves on disk beside the records of its runs: what it was made of, what tuning, calibration and a path
decided.

outputs/<name>/sweep.json    of the sweep that was called last
"""

from __future__ import annotations

import json
import socket
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ablate.atomic import write_atomically
from ablate.designs.apart import is_apart
from ablate.designs.calibration import AUTO, Calibrated
from ablate.designs.step import Step
from ablate.errors import DamageWarning
from ablate.lock import exists
from ablate.shapes import read_json, shaped


@dataclass
class Tuned:
    """The values that tuning gave an arm, and what they were chosen from."""

    levels: dict[str, str]
    """The arm."""
    chosen: dict[str, str]
    """The value of each tuned parameter that the arm has; empty where no run finished: its defaults hold."""
    grid: dict[str, list[str]]
    at_edge: list[str]
    """The parameters whose value is the least or the greatest of its grid: a wider one may have a better."""
    means: dict[str, float | None]
    """Mean best validation metric of each combination of values over the tuning seeds."""
    failed: dict[str, int]
    """How many of its runs failed or diverged."""
    seeds: list[int]


@dataclass
class SweepFacts:
    """The content of ``sweep.json``."""

    design: str = "full"
    factors: dict[str, list[str]] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=list)
    arms: list[str] = field(default_factory=list)
    """The hashes of the arms, in the order of the design."""
    labels: list[str] = field(default_factory=list)
    """Their labels, in the same order: what this sweep calls them, whoever trained them."""
    notes: list[str] = field(default_factory=list)
    """What has to be said about the design, in words."""
    inestimable: list[list[str]] = field(default_factory=list)
    """The factors and pairs of factors whose effects the design cannot tell from others."""
    tuned: list[Tuned] = field(default_factory=list)
    path: list[Step] = field(default_factory=list)
    start: float | None = None
    """The mean metric where the path begins."""
    target: float | str = AUTO
    """The target that was asked for."""
    calibration: Calibrated = field(default_factory=Calibrated)
    """The runs that ``auto`` goes by, or why there are none."""
    target_used: dict[str, Any] = field(default_factory=dict)
    """What came of it when the sweep was last called: the ``value``, the ``rule`` it is by, its ``margin``, and ``why``
    in words."""
    command: str | None = None
    """What was typed when the sweep was last called; None from Python."""
    study: str | None = None
    """The study that it tests."""
    pid: int | None = None
    """The process that trains the sweep, as long as it does, and its machine."""
    host: str | None = None
    schema: int = 1

    @property
    def in_training(self) -> bool:
        """Whether the process that trains the sweep is there; one on another machine is believed to be."""
        return self.pid is not None and (self.host != socket.gethostname() or exists(self.pid))

    @classmethod
    def load(cls, folder: Path) -> SweepFacts | None:
        """Read ``sweep.json`` of the sweep's ``folder``; None where there is none, or, with a ``DamageWarning``, where
        it cannot be read. Fields that are not known, of a later version, are left out.
        """
        path = folder / "sweep.json"
        if not path.is_file():
            return None
        try:
            facts = shaped(_of_old(read_json(path)), cls)
        except (OSError, ValueError) as error:
            warnings.warn(
                f"{path} cannot be read: {error}. What it says of the sweep, its order, tuning and calibration, is "
                "left out; the command that trained it writes it anew.",
                DamageWarning,
                stacklevel=2,
            )
            return None
        if facts.schema > cls.schema:
            warnings.warn(f"{path} is of a later version: not all of it is understood.", DamageWarning, stacklevel=2)
        return facts

    def save(self, folder: Path) -> None:
        """Write ``sweep.json`` into the sweep's ``folder``."""
        write_atomically(folder / "sweep.json", json.dumps(asdict(self), indent=2) + "\n")


def sweep_folders(root: Path) -> list[Path]:
    """Return the folders in ``root`` of the sweeps that have a run, but for runs that no sweep reports."""
    found = sorted({path.parents[2] for path in root.glob("*/*/seed=*/record.json")})
    return [folder for folder in found if not is_apart(folder.name)]


def _of_old(content: Any) -> Any:
    """Return what earlier versions wrote as this one writes it."""
    if isinstance(content, dict):
        if content.get("target", AUTO) is None:
            content["target"] = AUTO
        runs = content.get("calibration")
        if isinstance(runs, dict) and isinstance(best := runs.get("best", []), list):
            runs.setdefault("learned", [True] * len(best))  # which was once not asked
    return content
