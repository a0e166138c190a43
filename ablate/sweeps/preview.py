"""What a plan comes to before anything of it is trained: its arms, runs, workers and time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ablate.analysis.reach import too_few
from ablate.designs.path import Path
from ablate.engines.inline import InlineEngine
from ablate.engines.local import LocalEngine
from ablate.engines.planned import PlannedRun
from ablate.report.preview import ArmPreview, CalibrationPreview, Preview, TuningPreview
from ablate.sweep_settings import Design
from ablate.sweeps.arms import PlannedArm
from ablate.sweeps.estimate import seconds_of
from ablate.sweeps.plan import Plan


def preview(plan: Plan) -> Preview:
    """Return what ``plan`` comes to; a few steps of its arms are trained in a folder that is thrown away."""
    seconds = seconds_of(plan.runs)
    arms, left = [], []
    for arm in plan.arms:
        each, runs = seconds[arm.config.arm_hash], [arm.run(seed) for seed in plan.seeds]
        finished = 0 if plan.tuning else len(runs) - len(_unfinished(runs))  # tuning makes them other runs
        arms.append(ArmPreview(arm.levels, len(runs), finished, each))
        # what tuning changes about a run is not how long it takes, but it makes it another run
        left += [each] * len(_unfinished(_tuning_runs(plan, arm)))
        left += [each] * (len(runs) if plan.tuning else len(_unfinished(runs)))
    at_most = None
    if plan.settings.design is Design.path:
        at_most = Path(plan.factors, plan.seeds, higher_is_better=plan.higher_is_better).most_runs
        left += [sum(left) / max(1, len(left))] * (at_most - len(plan.runs))
    calibration = _calibration_runs(plan)
    left += [seconds[run.config.arm_hash] for run in (calibration if plan.tuning else _unfinished(calibration))]
    aliased = plan.arrangement.inestimable()
    missing = list(plan.runs) if plan.tuning else _unfinished(plan.runs)
    if plan.settings.workers == "0":
        workers, groups = 0, InlineEngine(plan.settings.stack).groups(missing)
    else:
        engine = LocalEngine(plan.settings.workers, plan.settings.runs_per_gpu, plan.settings.stack)
        workers = len(engine.slots([*plan.runs, *_tuning_runs(plan, *plan.arms), *calibration]))
        groups = engine.groups(missing, len(engine.slots(missing)))
    return Preview(
        name=plan.name,
        design=plan.settings.design.name,
        factors=[factor.key for factor in plan.factors],
        arms=arms,
        seeds=plan.seeds,
        workers=workers,
        stacks=Counter(map(len, groups)),
        seconds=max(sum(left) / max(1, workers), max(left, default=0.0)),
        at_most=at_most,
        tuning=_tuning(plan),
        calibration=_calibration(plan, calibration),
        too_few=too_few(len(plan.seeds), sum(len(one.levels) - 1 for one in plan.factors if [one.key] not in aliased)),
    )


def _tuning(plan: Plan) -> TuningPreview | None:
    if plan.tuning is None:
        return None
    grids: dict[str, None] = {}
    for arm in plan.arms:
        for key, grid in plan.tuning.grid(arm).items():
            kind = key.partition(".")[0]
            grids[f"{key} of {kind}={arm.config.choices()[kind]}: {' '.join(grid)}"] = None
    runs = _tuning_runs(plan, *plan.arms)
    return TuningPreview(len(runs), len(runs) - len(_unfinished(runs)), list(grids), plan.tuning.seeds)


def _tuning_runs(plan: Plan, *arms: PlannedArm) -> list[PlannedRun]:
    if plan.tuning is None:
        return []
    return [run for arm in arms for runs in plan.tuning.runs(arm).values() for run in runs]


def _calibration(plan: Plan, runs: Sequence[PlannedRun]) -> CalibrationPreview | None:
    if not runs:
        return None
    # tuning makes them other runs
    finished = 0 if plan.tuning else len(runs) - len(_unfinished(runs))
    return CalibrationPreview(len(runs), finished, runs[0].config.label or "", plan.calibration.seeds)


def _calibration_runs(plan: Plan) -> list[PlannedRun]:
    """Return the runs of the baseline arm, as it is known before it is tuned."""
    return plan.calibration.runs(next(arm for arm in plan.arms if arm.levels == plan.calibration.levels))


def _unfinished(runs: Sequence[PlannedRun]) -> list[PlannedRun]:
    return [run for run in runs if not run.record().is_done]
