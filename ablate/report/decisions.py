"""What a sweep decided by itself: the values that tuning chose, the steps of a path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from ablate.designs.step import Step
from ablate.report.style import number_text
from ablate.sweep_facts import SweepFacts, Tuned


def decisions(facts: SweepFacts, metric: str) -> list[Table | str]:
    """Return the tables of what was tuned and of the path, each with its legend; nothing where there was neither."""
    told: list[Table | str] = []
    if facts.tuned:
        seeds = ", ".join(map(str, facts.tuned[0].seeds))
        told += [tuned_table(facts.tuned, metric), f"Tuned on seeds {seeds}, by the mean of the best {metric}."]
        if any(tuned.at_edge for tuned in facts.tuned):
            told.append("[yellow]At the edge of its grid, a value may have a better one beyond it: widen the grid.[/]")
    if facts.path:
        told += [
            path_table(facts, metric),
            "Path: at each step the factor that gains most; change: paired by seed, against the step before. "
            "Selected by these very runs, so that a change is larger than it would be in new ones.",
        ]
    return told


def tuned_table(tuned: Sequence[Tuned], metric: str) -> Table:
    """Return one row per arm and tuned parameter: the value, the grid that it was chosen from, how well it did."""
    table = _table("arm", "parameter", "chosen", "from", f"mean {metric}", "failed")
    for each in tuned:
        mean = each.means.get(",".join(each.chosen.values()))
        for key, grid in each.grid.items():
            value = each.chosen.get(key)
            shown = "[red]none finished[/]" if value is None else escape(value)
            edge = " [yellow]edge[/]" if key in each.at_edge else ""
            failed = sum(each.failed.values())
            runs = len(each.failed) * len(each.seeds)
            table.add_row(
                _arm(each.levels),
                escape(key),
                shown + edge,
                escape(" ".join(grid)),
                number_text(mean),
                f"{failed} of {runs}" if failed else "–",
            )
    return table


def path_table(facts: SweepFacts, metric: str) -> Table:
    """Return one row per step of the path, from the first levels to the second."""
    table = _table("step", "factor", "from", "to", f"mean {metric}", "change", "failed", "runs saved")
    levels = {key: first for key, (first, *_) in facts.factors.items()}
    table.add_row("0", _arm(levels), "", "", number_text(facts.start), "", "", "")
    for number, step in enumerate(facts.path, 1):
        table.add_row(str(number), escape(step.factor), *_step_cells(step))
    return table


def _step_cells(step: Step) -> tuple[str, ...]:
    change = "–" if step.difference is None else f"{step.difference:+.4f}"
    return (
        escape(step.before),
        escape(step.after),
        number_text(step.mean),
        change,
        str(step.failed or "–"),
        str(step.saved or "–"),
    )


def _arm(levels: Mapping[str, str]) -> str:
    return escape(",".join(f"{key}={level}" for key, level in levels.items()) or "default")


def _table(*heads: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold", justify="left" if head in ("arm", "factor", "parameter") else "right")
    return table
