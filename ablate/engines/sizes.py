"""How many runs of a graph train in step: as asked, or as is fastest."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ablate.engines.gains import SIZES, Gains, place, read, write
from ablate.engines.planned import PlannedRun
from ablate.training.pace import Pace, is_measured

WORTH = 1.1
"""A gain of less is left alone."""

SHORT = 200
"""Steps: runs in step are shorter, all together, than so many of as many runs as would be tried, and not worth it."""


def in_step(stack: str | int, runs: Sequence[PlannedRun], workers: int) -> int:
    """Return how many of ``runs``, which are of one graph, train in step on so many workers.

    ``stack`` is ``off``, ``auto`` or how many at most; not more do than there are runs for each worker.
    """
    most = math.ceil(len(runs) / max(1, workers))
    if stack == "auto":
        return measured(runs, workers, most) if most > 1 else 1
    return 1 if stack == "off" else min(int(stack), most)


def measured(runs: Sequence[PlannedRun], workers: int, most: int) -> int:
    """Return the size that is fastest, from what is known or a few steps; 1 where that would not pay.

    It does not for runs that are short: to try costs more than it saves. What a plugin raises is left for the runs.
    Steps on an accelerator are not tried: whoever sweeps keeps out of the memory that its workers share.
    """
    if not is_measured(runs[0].config):
        return 1
    most = min(most, SIZES[-1])
    configs = [run.config for run in runs[:most]]
    with suppress(Exception):
        path, pace = place(configs), None
        if (gains := read(path)) is None:
            pace = Pace(configs)
            gains = Gains(pace.steps)
        if gains.steps * len(runs) < SHORT * most:
            return 1
        if any(size <= most and gains.wants(size) for size in SIZES):
            pace = pace or Pace(configs)
            gains.grow(most, pace.gain, time.process_time)
            write(path, gains)
        return best(gains.times, len(runs), workers)
    return 1


def best(gains: Mapping[int, float], runs: int, workers: int) -> int:
    """Return the size with which ``workers`` are done first; 1 where none saves a tenth.

    ``gains`` are known for some sizes: any other gains what the next smaller one does.
    """
    known = {1: 1.0, **gains}

    def duration(size: int) -> float:
        groups = math.ceil(runs / size)
        each = math.ceil(runs / groups)  # they are shared out evenly
        gain = known[max(tried for tried in known if tried <= each)]
        return math.ceil(groups / workers) * each / max(gain, 1e-9)

    most = min(math.ceil(runs / workers), 2 * max(known) - 1, SIZES[-1])
    size = min(range(1, most + 1), key=duration)
    return size if duration(1) >= WORTH * duration(size) else 1
