"""What is known of how much faster runs of a graph train in step, kept from one sweep to the next."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import platformdirs
import torch

from ablate.atomic import write_atomically
from ablate.config import Config
from ablate.engines.groups import graph
from ablate.errors import RecordError
from ablate.provenance import machine
from ablate.training.pace import rule

SIZES = (2, 4, 8, 16, 32)
"""How many runs are tried in step."""

SECONDS = 1.5
"""Of the processor: a larger size that would probably exceed them is not tried."""


@dataclass
class Gains:
    """How many times as fast so many runs of a graph are in step as alone, as far as it is known."""

    steps: int
    """Optimizer steps of each run."""
    times: dict[int, float] = field(default_factory=dict)
    """By the number of runs; 0 where they cannot train in step."""
    dear: bool = False
    """Whether more of them would take too long to try."""

    def wants(self, size: int) -> bool:
        """Return whether it is worth trying ``size``: not after two sizes in a row that gained nothing."""
        known = [1.0, *(self.times[size] for size in sorted(self.times))]
        stalled = len(known) > 2 and max(known[-2:]) <= max(known[:-2])
        return size not in self.times and not (stalled or self.dear or known[-1] == 0)

    def grow(self, most: int, gain: Callable[[int], float], clock: Callable[[], float]) -> bool:
        """Try the sizes up to ``most`` by ``gain`` that are worth it; return whether anything has been learnt."""
        grown, spent = False, 0.0
        for size in SIZES:
            if size > most or not self.wants(size):
                continue
            began = clock()
            self.times[size] = gain(size)
            took = clock() - began
            spent += took if grown else 0.0  # the first try pays for what torch imports late
            grown = True
            self.dear = spent + took > SECONDS  # more of them take no less than the last
        return grown


def folder() -> Path:
    """Return where they are kept: the system's folder for what can be found out again."""
    return platformdirs.user_cache_path("lightning-ablate") / "stacks"


def place(configs: Sequence[Config]) -> Path:
    """Return the file for runs of one graph: of this machine, these versions, and these rules of the steps."""
    of = {
        "machine": machine(),
        "torch": torch.__version__,
        "versions": configs[0].versions(),
        "graph": graph(configs[0]),
        "rules": sorted({*map(rule, configs)}),
    }
    return folder() / f"{hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:16]}.json"


def read(path: Path) -> Gains | None:
    """Return what ``path`` has; None where nothing is there that can be understood."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        gains = Gains(int(kept["steps"]), {int(k): float(v) for k, v in kept["times"].items()}, kept["dear"] is True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return gains if {*gains.times} <= {*SIZES} else None


def write(path: Path, gains: Gains) -> None:
    """Keep ``gains``, if the folder can be written."""
    with suppress(RecordError):
        write_atomically(path, json.dumps(asdict(gains)))
