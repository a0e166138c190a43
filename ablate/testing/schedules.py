"""What a schedule promises."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import nn

from ablate.techniques import Schedule
from ablate.testing.contract import Scope, contract, demand
from ablate.testing.use import move, rates

TOTALS = (1, 2, 10, 200)


def _optimizer() -> torch.optim.Optimizer:
    groups: list[dict[str, Any]] = [
        {"params": [nn.Parameter(torch.ones(2))]},
        {"params": [nn.Parameter(torch.ones(2))], "lr": 0.02},
    ]
    return torch.optim.AdamW(groups, lr=0.1, weight_decay=0.3)


@contract("sched", scope=Scope.generated)
def has_rates_that_can_be_trained_with(technique: Schedule) -> None:
    """Over runs of 1, 2, 10 and 200 steps each rate is finite and not negative."""
    for total in TOTALS:
        seen = rates(technique, total)
        bad = [rate for rate in seen if not 0 <= rate < math.inf]
        demand(not bad, f"in {total} steps the rate becomes {bad[0] if bad else 0:.3g}. Limit the factor to [0, ∞).")


@contract("sched", scope=Scope.defaults)
def moves_the_rate(technique: Schedule) -> None:
    """Over 200 steps the rate changes; a schedule that leaves it alone returns None."""
    optimizer = _optimizer()
    if technique.build(optimizer, 200) is not None:
        demand(len(set(rates(technique, 200))) > 1, "the rate never changes. Scale the formula by total_steps.")


@contract("sched")
def changes_the_rate_alone(technique: Schedule) -> None:
    """It changes nothing but ``lr``: neither weights nor momentum, betas and weight decay, of any group."""
    optimizer = _optimizer()
    before = [
        {k: v for k, v in group.items() if k not in ("lr", "initial_lr", "params")} for group in optimizer.param_groups
    ]
    before = copy.deepcopy(before)
    schedule = technique.build(optimizer, 10)
    for _ in range(10):
        optimizer.step()
        move(schedule)
    now = [{k: group[k] for k in old} for group, old in zip(optimizer.param_groups, before, strict=True)]
    moved = [k for new, old in zip(now, before, strict=True) for k in old if new[k] != old[k]]
    demand(not moved, f"it changes {', '.join(moved)}. Turn that off (cycle_momentum=False), or make it an optimizer.")
    same = all(bool((p == 1).all()) for group in optimizer.param_groups for p in group["params"])
    demand(same, "it changes the weights. Leave them to the optimizer.")


@contract("sched")
def resumes_its_schedule(technique: Schedule) -> None:
    """Saved in the middle and loaded into a new schedule, its rates go on as if never stopped."""
    total = 20
    through, resumed = _optimizer(), _optimizer()
    schedule, later = technique.build(through, total), technique.build(resumed, total)
    if schedule is None or later is None:
        return
    for _ in range(total // 2):
        through.step()
        move(schedule)
    resumed.load_state_dict(copy.deepcopy(through.state_dict()))
    later.load_state_dict(copy.deepcopy(schedule.state_dict()))
    for _ in range(total // 2):
        for optimizer, each in ((through, schedule), (resumed, later)):
            optimizer.step()
            move(each)
        expected, got = ([group["lr"] for group in o.param_groups] for o in (through, resumed))
        demand(
            got == expected, f"it goes on with {got}, not {expected}. Keep what changes in attributes, not closures."
        )
