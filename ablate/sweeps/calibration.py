"""Calibration: the target of "steps to target" comes from runs of the baseline arm that are not compared.

A target that is chosen by looking at the compared runs favours whichever arm it was taken from, and moves whenever one
of them gets better. So the baseline is trained with seeds of its own, which stay the same when arms or seeds are added.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass

from ablate.designs.apart import CALIBRATION
from ablate.designs.calibration import AUTO, Calibrated
from ablate.designs.factor import Arm
from ablate.engines.planned import PlannedRun
from ablate.errors import ConfigError
from ablate.results import judged, learned
from ablate.sweep_settings import SweepSettings
from ablate.sweeps.arms import PlannedArm

RUNS = 5
"""How many calibration runs there are when nothing is said."""

FROM = 5
"""With fewer reported seeds nothing is calibrated when nothing is said: they give no verdict either."""


@dataclass(frozen=True)
class Calibration:
    """The baseline arm, and the seeds that it is calibrated with; none, and why, where there are no such runs."""

    levels: Arm
    seeds: tuple[int, ...] = ()
    why: str = ""

    def runs(self, arm: PlannedArm) -> list[PlannedRun]:
        """Return the runs of ``arm``, the baseline as tuning has left it."""
        own = dataclasses.replace(arm.config, name=arm.config.folder_name + CALIBRATION.suffix)
        return [dataclasses.replace(arm, config=own).run(seed) for seed in self.seeds]

    def calibrated(self, arm: PlannedArm) -> Calibrated:
        """Return what is on disk of the runs of ``arm``."""
        records = [run.record() for run in self.runs(arm)]
        best = [judged(record) for record in records]
        return Calibrated(arm.config.label or "", list(self.seeds), best, [learned(r) for r in records], self.why)


def calibration_of(settings: SweepSettings, baseline: PlannedArm, reported: Collection[int]) -> Calibration:
    """Return the calibration of a sweep; raise ``ConfigError`` where it was asked for and is not possible."""
    asked = settings.calibration
    if not baseline.levels:
        if asked:
            raise ConfigError(
                f"calibration={asked}: there is one arm, and nothing that a target would compare. "
                "Sweep a setting, norm=bn,none, or drop it."
            )
        return Calibration(baseline.levels)
    if asked == 0:
        return Calibration(baseline.levels, why="calibration=0")
    if settings.target != AUTO:
        return Calibration(baseline.levels)
    source = baseline.config.source
    if source is not None and source.each_seed:
        if asked:
            raise ConfigError(
                f"calibration={asked}: the runs of {baseline.config.label} start from those of {source.reference}, "
                "seed by seed, and it has none with the seeds of calibration. Drop it, or give a number, target=0.95."
            )
        return Calibration(baseline.levels, why="runs that start from others, seed by seed, are not calibrated")
    if asked is None and len(reported) < FROM:
        return Calibration(baseline.levels, why=f"calibrated from {FROM} seeds on")
    return Calibration(baseline.levels, CALIBRATION.seeds(reported, asked or RUNS))
