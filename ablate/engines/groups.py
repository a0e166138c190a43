"""Which runs train in step: those of one graph, so many at once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

from ablate.config import Config, InitHead
from ablate.engines.planned import PlannedRun

Group = tuple[PlannedRun, ...]
"""Runs that train in step; mostly one."""

APART = ("init", "opt", "sched")
"""The kinds of which each run of a stack may have its own option."""
OWN = ("data.label_noise", "data.shift", "data.permute_pixels", "init_from", "init_head", "trainer.gradient_clip_val")
"""Settings of which each may have its own value. So it may of what regularizers have: rates, weights."""


def graph(config: Config) -> str | None:
    """Return what runs have in common that can train as one program; None for one that has to train by itself."""
    t = config.trainer
    alone = (
        config.model.module() is not None
        or not all(technique.stackable for technique in config.techniques().values())
        or (t.devices, t.accumulate_grad_batches, t.progress) != (1, 1, False)
        or config.init_head is InitHead.frozen
        or bool(config.freeze)
        or config.layer_decay < 1
    )
    if alone:
        return None
    settings = {
        key: value
        for key, value in config.flat().items()
        if key not in OWN and key.partition(".")[0] not in APART and not key.startswith("reg.")
    }
    how = (t.accelerator, t.threads, t.diagnostics, t.checkpoint_seconds)
    return json.dumps([settings, how], sort_keys=True)


def grouped(runs: Sequence[PlannedRun], size: Callable[[Sequence[PlannedRun]], int]) -> list[Group]:
    """Return ``runs`` in groups of one graph, in the order of the first of each.

    ``size`` says how many of the runs of a graph train in step at most; they are shared out evenly.
    """
    kinds: dict[str, list[PlannedRun]] = {}
    for number, run in enumerate(runs):
        kinds.setdefault(graph(run.config) or str(number), []).append(run)
    groups: list[Group] = []
    for own in kinds.values():
        most = size(own) if len(own) > 1 else 1
        each = math.ceil(len(own) / math.ceil(len(own) / most))
        groups += [tuple(own[i : i + each]) for i in range(0, len(own), each)]
    order = {id(run): number for number, run in enumerate(runs)}
    return sorted(groups, key=lambda group: order[id(group[0])])
