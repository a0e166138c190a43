"""The tables of what was run: arms, failures, and what tuning and a path decided."""

from __future__ import annotations

import math

import pandas as pd

from ablate.analysis.table import is_absent, label
from ablate.report.content import Content
from ablate.report.reached import Steps, steps, with_result
from ablate.report.sheets import Cell, Sheet
from ablate.sweep_facts import SweepFacts

MEANS = "Means over the runs with a result. Steps to target: those that did not reach it count with their budget (≥)."


def arms_sheet(content: Content) -> Sheet:
    """Return one row per arm, the best first: means over its runs with a result."""
    tests = [str(name) for name in content.frame if str(name).startswith("test/")]
    heads = (
        *content.factors,
        "seeds",
        "reached",
        "steps to target",
        f"best {content.metric}",
        f"final {content.metric}",
        "area val/loss",
        *tests,
        "seconds",
        "status",
    )
    rows = []
    for arm in content.arms:
        runs = with_result(arm.runs)
        time = steps(arm.runs)
        rows.append(
            (
                *(Cell("–" if is_absent(level) else label(level)) for level in arm.levels.values()),
                Cell(str(len(arm.runs)), len(arm.runs)),
                Cell(f"{time.reached}/{time.runs}", time.reached / max(1, time.runs)),
                steps_cell(time),
                *(mean(runs[name]) for name in ("best", "final", "area", *tests)),
                mean(runs["seconds"], 1),
                Cell(", ".join(f"{count} {status}" for status, count in arm.statuses.items())),
            )
        )
    notes = (
        MEANS,
        f"Target: {content.told_target}.",
    )
    return Sheet("arms", "Arms", heads, tuple(rows), frozenset({*content.factors, "status"}), notes)


def failures_sheet(content: Content) -> Sheet:
    """Return one row per run that diverged or could not be trained."""
    rows = [
        (Cell(one.status), Cell(one.arm), Cell(str(one.seed), one.seed), Cell(one.why), Cell(one.command))
        for one in content.failures
    ]
    heads = ("status", "arm", "seed", "why", "alone")
    return Sheet(
        "failures", "Failed and diverged runs", heads, tuple(rows), frozenset({"status", "arm", "why", "alone"})
    )


def tuned_sheet(facts: SweepFacts, metric: str) -> Sheet:
    """Return one row per arm and tuned parameter."""
    rows = []
    for one in facts.tuned:
        mean = one.means.get(",".join(one.chosen.values()))
        for key, grid in one.grid.items():
            value = one.chosen.get(key, "none finished")
            rows.append(
                (
                    Cell(",".join(f"{factor}={level}" for factor, level in one.levels.items()) or "default"),
                    Cell(key),
                    Cell(value + (" (edge)" if key in one.at_edge else "")),
                    Cell(" ".join(grid)),
                    Cell("–" if mean is None else f"{mean:.4f}", mean),
                    Cell(str(sum(one.failed.values())), sum(one.failed.values())),
                )
            )
    heads = ("arm", "parameter", "chosen", "from", f"mean {metric}", "failed")
    notes: tuple[str, ...] = ()
    if facts.tuned:
        seeds = ", ".join(map(str, facts.tuned[0].seeds))
        notes = (
            f"Tuned on seeds {seeds}, which are not reported. At the edge of its grid, a value may have a better one "
            "beyond it. Effects hold for the chosen values: how sure the choice is, is not in their intervals.",
        )
    words = frozenset({"arm", "parameter", "chosen", "from"})
    return Sheet("tuned", "Tuned values", heads, tuple(rows), words, notes)


def path_sheet(facts: SweepFacts, metric: str) -> Sheet:
    """Return one row per step of the path from the first levels to the second."""
    rows = [
        (
            Cell(str(number), number),
            Cell(step.factor),
            Cell(step.before),
            Cell(step.after),
            Cell("–" if step.mean is None else f"{step.mean:.4f}", step.mean),
            Cell("–" if step.difference is None else f"{step.difference:+.4f}", step.difference),
            Cell(str(step.failed), step.failed),
            Cell(str(step.saved), step.saved),
        )
        for number, step in enumerate(facts.path, 1)
    ]
    heads = ("step", "factor", "from", "to", f"mean {metric}", "change", "failed", "runs saved")
    start = "" if facts.start is None else f" It begins at {facts.start:.4f}."
    notes = (
        "At each step the factor that gains most; change: paired by seed, against the step before. "
        f"Selected by these very runs, so that a change is larger than it would be in new ones.{start}",
    )
    return Sheet("path", "Path", heads, tuple(rows), frozenset({"factor", "from", "to"}), notes if rows else ())


def steps_cell(found: Steps) -> Cell:
    """Return the mean steps to the target as a number, with ``≥`` where not all runs reached it."""
    if found.mean is None:
        return Cell("–")
    return Cell(f"{'' if found.reached == found.runs else '≥ '}{found.mean:.0f}", found.mean)


def mean(values: pd.Series, digits: int = 4) -> Cell:
    """Return the mean of an arm's runs with their standard deviation, from two on."""
    numbers = pd.to_numeric(values)
    middle, deviation = float(numbers.mean()), float(numbers.std())
    if math.isnan(middle):
        return Cell("–")
    if math.isnan(deviation):
        return Cell(f"{middle:.{digits}f}", middle)
    digits = min(digits, 3)
    return Cell(f"{middle:.{digits}f} ± {deviation:.{digits}f}", middle)
