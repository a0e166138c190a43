"""One run of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from ablate.techniques import Optimizer, Regularizer, Schedule


@dataclass
class Member:
    """What a run would train with alone, at any step of it: a stack goes on from there, and leaves it as they would be.

    ``opt`` and ``sched`` are the options that ``optimizer`` and ``schedule`` were built by: members with equal ones can
    share their steps. ``generator`` stands for the global random state of the run. ``clip`` limits the norm of the
    whole gradient.
    """

    network: nn.Module
    opt: Optimizer
    sched: Schedule
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler | None
    generator: torch.Generator
    reg: Sequence[Regularizer] = ()
    clip: float | None = None
