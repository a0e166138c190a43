"""The settings of a whole sweep: which runs it is made of, how they are trained, what the report shows.

None of them is part of a run's identity: a run is the same whoever asked for it, and on however many workers.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ablate.checks import at_least
from ablate.designs.calibration import AUTO, REACHED


class Design(Enum):
    """Which arms of all combinations are trained."""

    full = "full"
    """Every combination of the levels."""
    ofat = "ofat"
    """One factor at a time, from a baseline."""
    loo = "loo"
    """Leave one out: the full kit, then each factor in turn switched off."""
    fractional = "fractional"
    """A fraction of the combinations of two levels."""
    path = "path"
    """From one configuration to another, one factor at a time: the one that gains most."""


class Resolution(Enum):
    """What a fraction keeps apart: III single factors from one another, IV from pairs as well, V pairs from pairs."""

    III = "III"
    IV = "IV"
    V = "V"
    plackett_burman = "plackett_burman"


class Retry(Enum):
    """Which runs that ended are trained again when a sweep is called again."""

    none = "none"
    failed = "failed"
    all = "all"
    """Those that diverged, too."""


@dataclass
class SweepSettings:
    """Which runs, how, and what is reported of them."""

    study: str | None = None
    design: Design = Design.full
    baseline: dict[str, str] = field(default_factory=dict)
    resolution: Resolution | None = None
    tune: list[str] = field(default_factory=list)
    tune_seeds: int | None = None
    dry_run: bool = False
    retry: Retry = Retry.failed
    fail_fast: bool = False
    workers: str = "auto"
    runs_per_gpu: int = 1
    stack: str = "off"
    quiet: bool = False
    target: Any = AUTO  # float | str, but OmegaConf fails to merge a union over a default
    calibration: int | None = None
    cost: bool = False

    def __post_init__(self) -> None:
        at_least(1, tune_seeds=self.tune_seeds, runs_per_gpu=self.runs_per_gpu)
        if self.tune_seeds is not None and not self.tune:
            raise ValueError("tune_seeds belongs to tune; drop it, or add tune=lr")
        if self.target not in (AUTO, REACHED):
            number = isinstance(self.target, int | float) and not isinstance(self.target, bool)
            if not number or not math.isfinite(self.target):
                raise ValueError(f"target must be a finite number, {AUTO} or {REACHED}, not {self.target}")
        at_least(0, calibration=self.calibration)
        if self.calibration and self.target != AUTO:
            raise ValueError(f"calibration belongs to target={AUTO}; drop it, or target={self.target}")
        if not re.fullmatch(r"auto|\d+", self.workers):
            raise ValueError(f"workers must be auto or a whole number, not {self.workers}; 0 trains in this process")
        if not re.fullmatch(r"auto|off|[1-9]\d*", self.stack):
            raise ValueError(f"stack must be auto, off or a whole number from 1 on, not {self.stack}")
        if self.baseline and self.design is not Design.ofat:
            raise ValueError("baseline belongs to design=ofat; drop it, or add that")
        if self.resolution is not None and self.design is not Design.fractional:
            raise ValueError("resolution belongs to design=fractional; drop it, or add that")
