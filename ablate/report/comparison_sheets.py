"""The tables of a comparison: what differs, how each side came out, and the contrasts of the sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd

from ablate.analysis import Contrast, Paired, Scale, Verdict
from ablate.analysis.evidence import Estimate
from ablate.analysis.unpaired import Unpaired
from ablate.analysis.wording import between, number, verdict
from ablate.comparison import NOTHING, Comparison, side_by_side
from ablate.facts import Status
from ablate.report.reached import steps, with_result
from ablate.report.run_sheets import MEANS, mean, steps_cell
from ablate.report.sheets import Cell, Sheet, probability
from ablate.report.style import number_text

T = TypeVar("T", Contrast, Unpaired)

_UNITS = {Scale.ratio: "×", Scale.points: " pt"}


def tables(comparison: Comparison) -> list[Sheet]:
    """Return the tables that have rows, in the order of reading."""
    all_of_them = (
        sides_sheet(comparison),
        settings_sheet(comparison),
        figures_sheet(comparison),
        contrasts_sheet(comparison),
        unpaired_sheet(comparison),
        effects_sheet(comparison),
    )
    return [one for one in all_of_them if one]


def sides_sheet(comparison: Comparison) -> Sheet:
    """Return one row per side: which letter stands for what."""
    rows = [
        (
            Cell(side.letter),
            Cell(f"{side.name} ({len(side.arms)} arms)" if side.is_sweep else side.name),
            Cell(NOTHING if side.is_sweep else side.arms[0]),
            Cell(str(len(side.sweep.records)), len(side.sweep.records)),
            Cell(_shown(side.home)),
        )
        for side in comparison.sides
    ]
    sign = "≥" if comparison.higher_is_better else "≤"
    aim = "" if comparison.target is None else f": {comparison.metric} {sign} {comparison.target:.4g}"
    notes = (f"Target of all{aim} ({comparison.why_target}).",)
    heads = ("side", "what", "hash", "runs", "sweep")
    return Sheet("sides", "Sides", heads, tuple(rows), frozenset({"side", "what", "hash", "sweep"}), notes)


def _shown(folder: Path) -> str:
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)


def settings_sheet(comparison: Comparison) -> Sheet:
    """Return one row per setting that is not the same on all sides."""
    letters = [side.letter for side in comparison.sides]
    rows = [(Cell(key), *map(Cell, values)) for key, values in comparison.settings.items()]
    heads = ("setting", *letters)
    notes = ("Of a sweep all its values; – where there is none.",) if comparison.of_sweeps else ()
    return Sheet("settings", "What differs", heads, tuple(rows), frozenset(heads), notes)


def figures_sheet(comparison: Comparison) -> Sheet:
    """Return one row per side, of sweeps per arm in common and side: means over its seeds."""
    metric = comparison.metric
    test = f"test/{metric.rpartition('/')[2]}"
    tests = [test] if test in comparison.frame else []
    rows = []
    for arm, letter, runs in _of_sides(comparison):
        counts = runs["status"].value_counts()
        ended = ", ".join(f"{count} {status}" for status, count in counts.items())
        rows.append(
            (
                *([Cell(arm)] if comparison.of_sweeps else []),
                Cell(letter),
                Cell(str(len(runs)) if set(counts.index) == {Status.finished} else ended, len(runs)),
                steps_cell(steps(runs)),
                *(mean(with_result(runs)[name]) for name in ("best", "final", "area", *tests)),
                Cell(number_text(float(pd.to_numeric(with_result(runs)["seconds"]).mean()), 1)),
            )
        )
    numbers = ("runs", "steps to target", f"best {metric}", f"final {metric}", "area val/loss", *tests, "seconds")
    notes = (MEANS,)
    heads = (*_arm(comparison), "side", *numbers)
    return Sheet("figures", "How they came out", heads, tuple(rows), frozenset({"arm", "side"}), notes)


def contrasts_sheet(comparison: Comparison) -> Sheet:
    """Return one row per side and metric: the difference from the first side, paired by seed."""
    found = _together(comparison.contrasts)
    rows = [
        (
            *([Cell(str(one.within[1]))] if one.within else []),
            Cell(_against(one)),
            Cell(one.metric.name),
            Cell(estimated(one.test), one.test.estimate),
            Cell(probability(one.test.p_flip_holm), one.test.p_flip_holm),
            Cell(str(one.test.seeds), one.test.seeds),
            Cell(f"{verdict(one.test)}{_needed(one.test)}"),
        )
        for one in found
    ]
    heads = (*_arm(comparison), "contrast", "metric", "difference", "p (flips)", "seeds", "verdict")
    notes: list[str] = []
    if found:
        notes = [
            f"Paired by seed. Intervals: Student's t, {found[0].test.confidence:.0%}, each by itself; p: sign flips, "
            "adjusted by Holm over the contrasts of a metric. An effect is called if the t test agrees; below five "
            "seeds there is no verdict.",
            "In brackets: how many seeds would probably decide it." if any(_needed(one.test) for one in found) else "",
            *dict.fromkeys(note for one in found for note in one.notes),
        ]
    words = frozenset({"arm", "contrast", "metric", "verdict"})
    return Sheet("contrasts", "Contrasts, paired by seed", heads, tuple(rows), words, tuple(filter(None, notes)))


def unpaired_sheet(comparison: Comparison) -> Sheet:
    """Return one row per side and metric where seeds are not shared."""
    found = _together(comparison.unpaired)
    rows = [
        (
            *([Cell(str(one.within[1]))] if one.within else []),
            Cell(_against(one)),
            Cell(one.metric.name),
            Cell(estimated(one), one.estimate),
            Cell(probability(one.p_holm), one.p_holm),
            Cell(probability(one.p_permutation_holm), one.p_permutation_holm),
            Cell(f"{one.runs[0]} and {one.runs[1]}"),
            Cell(str(one.verdict)),
        )
        for one in found
    ]
    heads = (*_arm(comparison), "contrast", "metric", "difference", "p (Welch)", "p (permuted)", "runs", "verdict")
    notes: list[str] = []
    if found:
        notes = [
            f"Not paired, as the seeds are not shared: what they do to both sides is in the spread. Intervals: Welch's "
            f"t, {found[0].confidence:.0%}, each by itself; p: Welch's test, and a permutation test of the runs, "
            "adjusted by Holm over the contrasts of a metric; an effect is called if both agree; below five runs a "
            "side there is no verdict. The same seeds on both sides would tell more."
        ]
        if any(one.interval is None for one in found):
            notes.append("One run has no spread: there is no interval.")
    words = frozenset({"arm", "contrast", "metric", "verdict"})
    return Sheet("unpaired", "Contrasts without pairs", heads, tuple(rows), words, tuple(notes))


def effects_sheet(comparison: Comparison) -> Sheet:
    """Return one row per effect and metric that more than one sweep shows, with a column for each of them."""
    letters = [side.letter for side in comparison.sides]
    told = side_by_side(comparison.effects)
    rows = []
    for (factor, level, baseline, _), own in told.items():
        if len(own) > 1:
            name = Cell(f"{factor}={level} against {baseline}")
            metric = next(iter(own.values())).metric.name
            rows.append((name, Cell(metric), *(_effect(own.get(letter)) for letter in letters)))
    heads = ("effect", "metric", *letters)
    alone = {(key[:3], letter) for key, own in told.items() if len(own) == 1 for letter in own}
    shared = {key[:3] for key, own in told.items() if len(own) > 1}
    left = sorted(
        f"{f}={level} against {b} ({letter})" for (f, level, b), letter in alone if (f, level, b) not in shared
    )
    notes = ["Each within its own sweep: averaged over the other factors there, paired by seed, with 95 % intervals."]
    notes += [f"In one sweep only: {', '.join(left)}."] if left else []
    return Sheet("effects", "Effects side by side", heads, tuple(rows), frozenset(heads), tuple(notes) if rows else ())


def estimated(one: Estimate) -> str:
    """Return ``0.52× [0.45, 0.62]`` or, in points, ``+1.3 pt [+0.4, +2.2]``."""
    return f"{number(one.metric, one.estimate)}{_UNITS.get(one.metric.scale, '')}{between(one)}"


def _effect(one: Contrast | None) -> Cell:
    return Cell(NOTHING) if one is None else Cell(f"{estimated(one.test)}, {verdict(one.test)}", one.test.estimate)


def _needed(one: Paired) -> str:
    return "" if one.verdict is not Verdict.inconclusive or one.seeds_needed is None else f" ({one.seeds_needed})"


def _together(contrasts: Sequence[T]) -> list[T]:
    """Return the contrasts of all metrics with those of the same two sides in a row."""
    order = list(dict.fromkeys((one.within, one.level) for one in contrasts))
    return sorted(contrasts, key=lambda one: order.index((one.within, one.level)))


def _against(one: Contrast | Unpaired) -> str:
    return f"{one.level} against {one.baseline}"


def _arm(comparison: Comparison) -> tuple[str, ...]:
    """Return the head of the first column where sweeps are compared, arm by arm."""
    return ("arm",) if comparison.of_sweeps else ()


def _of_sides(comparison: Comparison) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield arm, side and runs, the arms of sweeps together."""
    keys = ["arm", "side"] if comparison.of_sweeps else ["side"]
    for key, runs in comparison.frame.groupby(keys, sort=False):
        yield str(key[0]) if comparison.of_sweeps else "", str(key[-1]), runs
