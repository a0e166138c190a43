"""Is it the units? What is dead or saturated, at the start and after some steps."""

from __future__ import annotations

import torch

from ablate.diagnostics.observation import Observation
from ablate.doctor.case import STEPS, Case
from ablate.doctor.finding import Finding, judged
from ablate.module import AblationModule
from ablate.random_state import isolated

HALF, MOST = 0.5, 0.9


def at_start(case: Case) -> Finding | None:
    """Are units dead or saturated before any step?

    Of the worst layer, on the first batch: a dead unit gives the same number for all of it, a saturated one has a slope
    below 0.01 on 95 % of it. Warns from half of a layer's units on, fails from nine tenths: nothing passes through.
    """
    way = "init=he" if case.config.choices()["init"] != "he" else "act=leaky_relu, or norm=bn"
    return _units(case, case.fresh(), "units", "units alive at the start", way)


def after_steps(case: Case) -> Finding | None:
    """Have units died or saturated after 200 steps? Limits as at the start."""
    if case.trains_itself or case.trained.diverged:
        return None
    before = at_start(case)
    way = "a smaller opt.lr, act=leaky_relu, or norm=bn"
    if before is not None and before.way_out:
        way = f"{before.way_out}: they were so before any step"
    return _units(case, case.trained.module, "units_later", f"units alive after {STEPS} steps", way)


def _units(case: Case, module: AblationModule, item: str, looked_at: str, way: str) -> Finding | None:
    module.model.eval()  # dropout and the like kill units for a batch, and mean to
    with isolated(), torch.no_grad(), Observation(module.model) as seen:
        module.outcome(*case.batch)
    worst, figure = 0.0, "no layer with more than a few dead or saturated units"
    for name, values in seen.values().items():
        for measure in ("dead", "saturated"):
            share = float(values.get(measure, 0.0))
            if share > worst and (share > worst or measure == "dead"):
                worst = share
                figure = f"{share:.0%} {measure} in {name}"
    return judged(item, looked_at, figure, warn=worst >= HALF, fail=worst >= MOST, way=way)
