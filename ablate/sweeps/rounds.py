"""The runs of a plan in rounds: what comes later may hang on how the earlier ones ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ablate.designs.factor import Arm
from ablate.designs.path import Path
from ablate.engines.planned import PlannedRun
from ablate.errors import RecordError
from ablate.facts import FAILURES, Status
from ablate.results import Sweep, judged
from ablate.sweep_facts import SweepFacts, Tuned
from ablate.sweep_settings import Design, Retry
from ablate.sweeps.arms import PlannedArm
from ablate.sweeps.plan import Plan


@dataclass(frozen=True)
class Round:
    """Runs that can be trained in any order, or at the same time."""

    title: str
    """What they are for, to print before what is said of them."""
    runs: tuple[PlannedRun, ...]

    def missing(self, retry: Retry) -> list[PlannedRun]:
        """Return the runs that have to be trained."""
        found = []
        for run in self.runs:
            record = run.record()
            if record.status is Status.diverged and retry is Retry.all:
                found.append(dataclasses.replace(run, again=True))
            elif not record.is_done and (retry is not Retry.none or record.status not in FAILURES):
                found.append(run)
        return found


def labels_of(runs: Iterable[PlannedRun]) -> dict[str, str]:
    """Return the label of each arm by its hash."""
    return {run.config.arm_hash: run.config.label or "" for run in runs}


def unfinished(runs: Iterable[PlannedRun], left_out: Sequence[PlannedRun] = ()) -> list[PlannedRun]:
    """Return the runs that have neither a result nor a failure: another process has them, or had.

    The failure of one that was ``left_out`` is an earlier one.
    """
    untried = {run.key for run in left_out}

    def is_open(run: PlannedRun) -> bool:
        record = run.record()
        failed = record.status in FAILURES and run.key not in untried
        return not (record.is_done or failed)

    return [run for run in runs if is_open(run)]


class Rounds:
    """Gives one round after the other; each has to be trained before the next is asked for."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._arms = {frozenset(arm.levels.items()): arm for arm in plan.arms}
        self._tuned: dict[frozenset[tuple[str, str]], Tuned] = {}
        self._reported: dict[tuple[str, int], PlannedRun] = {}
        self._calibrates = bool(plan.calibration.seeds)
        self._path: Path | None = None
        if plan.settings.design is Design.path:
            self._path = Path(plan.factors, plan.seeds, higher_is_better=plan.higher_is_better)

    def __iter__(self) -> Iterator[Round]:
        if self._path is None:
            yield from self._round("", [(arm.levels, seed) for arm in self.plan.arms for seed in self.plan.seeds])
            return
        while wanted := self._path.ask():
            done = len(self._path.steps())
            yield from self._round(f", step {done + 1} of {len(self.plan.factors)}", wanted)
            _refuse_unfinished([self._run(levels, seed) for levels, seed in wanted], "The path")
            self._path.tell((levels, seed, judged(self._run(levels, seed).record())) for levels, seed in wanted)

    def _round(self, title: str, wanted: Iterable[tuple[Arm, int]]) -> Iterator[Round]:
        wanted = list(wanted)
        tuning = self.plan.tuning
        if tuning is not None:
            fresh = {self._key(levels): self._arm(levels) for levels, _ in wanted}
            fresh = {key: arm for key, arm in fresh.items() if key not in self._tuned}
            if runs := [run for arm in fresh.values() for each in tuning.runs(arm).values() for run in each]:
                yield Round(f"{self.plan.name}, tuning: ", tuple(runs))
                _refuse_unfinished(runs, "Tuning")
            for key, arm in fresh.items():
                self._arms[key], self._tuned[key] = tuning.chosen(arm, self.plan.higher_is_better)
        if self._calibrates:
            self._calibrates = False  # once: the baseline is among the first arms that are asked for
            calibration = self.plan.calibration.runs(self._baseline())
            yield Round(f"{self.plan.name}, calibration: ", tuple(calibration))
            _refuse_unfinished(calibration, "Calibration")
        runs = [self._run(levels, seed) for levels, seed in wanted]
        self._reported |= {run.key: run for run in runs}
        yield Round(f"{self.plan.name}{title}: ", tuple(runs))

    def results(self) -> Sweep:
        """Return what the reported runs left on disk, in the order in which they were asked for.

        As long as none was asked for, because tuning goes on, these are the runs of the arms as they are known.
        """
        plan = self.plan
        runs = self._known()
        records = [run.record() for run in runs]
        labels = labels_of(runs)
        return Sweep(
            plan.name,
            plan.folder,
            records,
            [factor.key for factor in plan.factors],
            plan.settings.target,
            labels,
            plan.settings.cost,
            self.facts(),
        )

    def facts(self) -> SweepFacts:
        """Return what a report has to know of the sweep beside the records of its runs."""
        plan = self.plan
        labels = labels_of(self._known())
        return SweepFacts(
            design=plan.settings.design.name,
            factors={factor.key: list(factor.levels) for factor in plan.factors},
            seeds=list(plan.seeds),
            arms=list(labels),
            labels=list(labels.values()),
            notes=list(plan.arrangement.notes),
            inestimable=plan.arrangement.inestimable(),
            tuned=list(self._tuned.values()),
            path=self._path.steps() if self._path else [],
            start=self._path.start if self._path else None,
            target=plan.settings.target,
            calibration=plan.calibration.calibrated(self._baseline()),
            command=plan.arms[0].typed,
            study=plan.settings.study,
        )

    def _known(self) -> list[PlannedRun]:
        return list(self._reported.values()) or self.plan.runs

    def _baseline(self) -> PlannedArm:
        return self._arm(self.plan.calibration.levels)

    def _run(self, levels: Arm, seed: int) -> PlannedRun:
        return self._arm(levels).run(seed)

    def _arm(self, levels: Arm) -> PlannedArm:
        key = self._key(levels)
        if key not in self._arms:
            self._arms[key] = self.plan.composer.plan(dict(key), name=self.plan.name)
        return self._arms[key]

    def _key(self, levels: Arm) -> frozenset[tuple[str, str]]:
        return frozenset(self.plan.composer.meaning(levels).items())


def _refuse_unfinished(runs: Iterable[PlannedRun], what: str) -> None:
    """Raise ``RecordError`` before anything is decided on runs that have no result yet."""
    if left := unfinished(runs):
        raise RecordError(
            f"{what} cannot go on: {len(left)} of its runs have no result yet, {left[0].title} for one. "
            "The same command trains what is missing."
        )
