"""How many runs train at once, and on what: one for each processor, or for each GPU."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Slot:
    """A place to train at: GPUs by the names that CUDA knows them by, or a share of the processors."""

    gpu: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a process has to be told before it looks for GPUs."""
        return {} if self.gpu is None else {VISIBLE: self.gpu}


def slots(
    workers: str,
    *,
    runs: int,
    threads: int,
    processors: int,
    gpus: Sequence[str] = (),
    runs_per_gpu: int = 1,
    devices: int = 1,
) -> list[Slot]:
    """Return the slots for ``runs``: at most ``workers``, and on ``gpus`` at most ``runs_per_gpu`` on each.

    ``auto`` takes all GPUs or, without any, as many processes as have ``threads`` processors each, those of all
    devices of a run. A run on several ``devices`` has as many GPUs, for itself.
    """
    if devices > 1:
        places = [Slot(",".join(gpus[i : i + devices])) for i in range(0, len(gpus) - devices + 1, devices)]
    else:
        places = [Slot(gpu) for _ in range(runs_per_gpu) for gpu in gpus]  # all GPUs once before any twice
    wanted = max(1, processors // threads) if workers == "auto" else int(workers)
    if not places:
        return [Slot()] * min(wanted, runs)
    return places[: min(runs, len(places) if workers == "auto" else wanted)]


def gpu_names(count: int, visible: str | None) -> list[str]:
    """Return what CUDA calls the ``count`` devices that this process sees, by its own ``CUDA_VISIBLE_DEVICES``."""
    if visible is None:
        return [str(number) for number in range(count)]
    return [name.strip() for name in visible.split(",")][:count]


def usable_processors() -> int:
    """Return how many processors this process may use: affinity and a container's quota counted, at least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, quota())))


def quota(groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """Return the processors that Linux' control groups grant, of either version; infinity where they say nothing."""
    return min(_granted(groups, own), default=math.inf)


def _granted(groups: Path, own: Path) -> Iterator[float]:
    try:
        memberships = [line.split(":", 2) for line in own.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return
    for _, controllers, path in memberships:
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = groups / "cpu" if controllers else groups
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):  # every group above grants its share only
            if folder.is_relative_to(root):
                yield from _share(_values(folder))


def _values(folder: Path) -> Mapping[str, list[str]]:
    found = {}
    for name in ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"):
        try:
            found[name] = (folder / name).read_text(encoding="utf-8").split()
        except OSError:
            found[name] = []
    return found


def _share(values: Mapping[str, list[str]]) -> Iterator[float]:
    words = values["cpu.max"] or values["cpu.cfs_quota_us"] + values["cpu.cfs_period_us"]
    if len(words) == 2 and words[0] not in ("max", "-1"):
        yield int(words[0]) / int(words[1])
