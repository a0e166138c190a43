"""The plan of a sweep, printed instead of trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.markup import escape
from rich.table import Table

from ablate.report.style import console, duration_text, level_text


@dataclass(frozen=True)
class ArmPreview:
    """One row of the plan."""

    levels: Mapping[str, str]
    runs: int
    finished: int
    seconds: float
    """Of one run."""


@dataclass(frozen=True)
class TuningPreview:
    """What is trained before any reported run."""

    runs: int
    finished: int
    grids: Sequence[str]
    """The values that are tried of each parameter, in words."""
    seeds: Sequence[int]


@dataclass(frozen=True)
class CalibrationPreview:
    """What is trained to set the target."""

    runs: int
    finished: int
    arm: str
    """The baseline."""
    seeds: Sequence[int]


@dataclass(frozen=True)
class Preview:
    """What a sweep would train."""

    name: str
    design: str
    factors: Sequence[str]
    arms: Sequence[ArmPreview]
    seeds: Sequence[int]
    workers: int
    seconds: float
    """Of all that is missing, on ``workers``."""
    at_most: int | None = None
    """How many runs a path takes if racing saves none."""
    tuning: TuningPreview | None = None
    calibration: CalibrationPreview | None = None
    too_few: str | None = None
    """Where the seeds cannot show an effect, in words."""
    stacks: Mapping[int, int] = field(default_factory=dict)
    """How many groups of so many runs train in step, by the number of runs."""


def print_preview(preview: Preview) -> None:
    """Print the arms, and how many runs, workers and minutes they take."""
    out = console()
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for factor in preview.factors:
        table.add_column(factor, overflow="fold")
    for head in ("runs", "finished", "seconds a run"):
        table.add_column(head, justify="right")
    for arm in preview.arms:
        levels = (escape(level_text(arm.levels.get(factor))) for factor in preview.factors)
        table.add_row(*levels, str(arm.runs), str(arm.finished), f"{arm.seconds:.1f}")
    out.print(table)
    runs, finished = sum(arm.runs for arm in preview.arms), sum(arm.finished for arm in preview.arms)
    seeds = _count(len(preview.seeds), "seed")
    if preview.at_most is None:
        out.print(
            f"{escape(preview.name)}: design={preview.design}, {_count(len(preview.arms), 'arm')} × {seeds} = "
            f"{_count(runs, 'run')}, {finished} finished, {runs - finished} to train."
        )
    else:
        out.print(
            f"{escape(preview.name)}: design=path, at most {preview.at_most} runs with {seeds}; the arms above are "
            "where it begins and ends, and its first candidates."
        )
    if (tuning := preview.tuning) is not None:
        seeds = ", ".join(map(str, tuning.seeds))
        out.print(f"Tuning comes first: {tuning.runs} runs on seeds {seeds}, {tuning.finished} finished.")
        for grid in tuning.grids:
            out.print(f"  {escape(grid)}", soft_wrap=True)
    if (calibration := preview.calibration) is not None:
        out.print(
            f"For the target: {_count(calibration.runs, 'calibration run')} of {escape(calibration.arm)} on seeds "
            f"{', '.join(map(str, calibration.seeds))}, {calibration.finished} finished."
        )
    if preview.too_few is not None:
        out.print(f"[yellow]{preview.too_few}[/]")
    if together := stacks_text(preview.stacks):
        out.print(together)
    where = "in this process" if preview.workers == 0 else f"on {_count(preview.workers, 'worker')}"
    out.print(f"About {duration_text(preview.seconds)} {where}, from a few measured steps and from runs of before.")
    out.print("Nothing was trained. Leave dry_run out to train it.")


def stacks_text(stacks: Mapping[int, int]) -> str:
    """Return ``In step: 4 stacks of 8 runs, 1 run by itself.``; nothing where every run trains by itself."""
    words = [f"{_count(stacks[size], 'stack')} of {size} runs" for size in sorted(stacks, reverse=True) if size > 1]
    if words and (alone := stacks.get(1)):
        words.append(f"{_count(alone, 'run')} by {'itself' if alone == 1 else 'themselves'}")
    return f"In step: {', '.join(words)}." if words else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
