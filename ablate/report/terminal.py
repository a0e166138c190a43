"""A sweep's results in the terminal: one row per arm, best first."""

from __future__ import annotations

import pandas as pd
from rich import box
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ablate.facts import FAILURES, Status, command
from ablate.report.costs import ArmCost, cost_table
from ablate.report.decisions import decisions
from ablate.report.ills import ailing, compared, examined
from ablate.report.ranking import ranked
from ablate.report.reached import steps, with_result
from ablate.report.style import STYLES, console, level_text, number_text, one_line
from ablate.results import Sweep

_LEVEL, _HEAD = 24, 8
"""A level is broken beyond so many columns, the name of its factor, where there is no room, beyond so many."""

_LISTED = 10
"""So many of the runs that ended badly are listed."""


def print_sweep(sweep: Sweep) -> None:
    """Print the table of arms, what is meant by its columns, and where to look further."""
    out = console()
    if not sweep.factors:
        out.print()
        out.print(escape(sweep.label(sweep.records[0])))
    if shared := sweep.names.sentence():
        out.print()
        out.print(escape(shared))
    out.print(arms_table(sweep))
    if any(record.facts.imported for record in sweep.records):
        for note in sweep.facts.notes:
            out.print(f"[yellow]{escape(note)}.[/]")
    for line in _legend(sweep):
        out.print(line)
    if sweep.factors and len({record.facts.seed for record in sweep.records}) > 1:
        from ablate.report.effects import (
            effects_told,  # here: statistics take a second to import, and one seed has none
        )

        for part in effects_told(sweep.effects()):
            out.print(part)
    arms = examined(sweep)
    for told in [*(one.sentence() for one in ailing(arms)), *compared(arms)]:
        out.print(f"[yellow]{escape(told)}[/]", soft_wrap=True)
    if sweep.cost:
        rows = ranked(sweep.frame(), sweep.higher_is_better)
        out.print(cost_table(sweep.factors, [_cost(sweep, arm) for arm in rows]))
    for part in decisions(sweep.facts, sweep.metric):
        out.print(part)
    ended_badly = [record for record in sweep.records if record.status in (*FAILURES, Status.diverged)]
    for record in ended_badly[:_LISTED]:
        told = f"{sweep.label(record)} seed={record.facts.seed}: {one_line(record.facts.error)}"
        out.print(f"[{STYLES[record.status]}]{record.status}[/] {escape(told)}", soft_wrap=True)
        if record.facts.traceback or record.facts.log:
            out.print(f"  more:  {escape(str(record.folder / 'record.json'))}", soft_wrap=True)
        if record.facts.overrides:
            out.print(f"  alone: {escape(command(record.facts.overrides, record.facts.plugins))}", soft_wrap=True)
    if len(ended_badly) > _LISTED:
        out.print(f"… and {len(ended_badly) - _LISTED} more: python -m ablate runs {escape(sweep.name)}")
    out.print(f"TensorBoard: tensorboard --logdir {escape(str(sweep.folder))}", soft_wrap=True)
    out.print(f"Files:       {escape(str(sweep.folder))}", soft_wrap=True)


def arms_table(sweep: Sweep) -> Table:
    """Return one row per arm: means over its runs with a result, best first; a standard deviation from two seeds on.

    Columns that the terminal has no room for are left out, and named beneath.
    """
    frame = sweep.frame()
    arms = ranked(frame, sweep.higher_is_better)
    ended = [with_result(arm) for arm in arms]
    levels = {factor: [level_text(arm.iloc[0][factor]) for arm in arms] for factor in sweep.factors}
    statuses = [Text.from_markup(_statuses(arm["status"])) for arm in arms]
    numbers = {
        "seeds": [str(len(arm)) for arm in arms],
        "steps to target": [_steps(arm) for arm in arms],
        f"best {sweep.metric}": [_mean_and_deviation(arm["best"]) for arm in ended],
        f"final {sweep.metric}": [_mean_and_deviation(arm["final"]) for arm in ended],
        "area val/loss": [number_text(arm["area"].mean()) for arm in ended],
        "seconds": [number_text(arm["seconds"].mean(), digits=1) for arm in ended],
    }
    widest = max(status.cell_len for status in statuses)

    def of_factors(head: int) -> dict[str, int]:
        return {factor: min(_LEVEL, max(map(len, [factor[:head], *cells]))) for factor, cells in levels.items()}

    def needed(lines: int, head: int = _HEAD) -> int:
        own = (max(map(len, [*name.rsplit(" ", lines - 1), *cells])) for name, cells in numbers.items())
        return sum(width + 3 for width in (*of_factors(head).values(), *own, widest))

    dropped = []
    for name in ("seconds", f"final {sweep.metric}", "area val/loss", "steps to target"):
        if needed(2) > console().width:
            dropped.append(name)
            del numbers[name]
    widths = of_factors(_LEVEL if needed(2, _LEVEL) <= console().width else _HEAD)
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for factor in sweep.factors:
        table.add_column(factor, overflow="fold", min_width=widths[factor], max_width=widths[factor])
    broken = needed(1, _LEVEL) > console().width  # rich would rather cut the last column than break heads
    for head in numbers:
        table.add_column("\n".join(head.rsplit(" ", 1)) if broken else head, justify="right", overflow="fold")
    table.add_column("status", no_wrap=True, min_width=widest)
    for row, status in enumerate(statuses):
        cells = [escape(column[row]) for column in (*levels.values(), *numbers.values())]
        table.add_row(*cells, status)
    if dropped:
        table.caption, table.caption_justify = f"No room here for: {', '.join(dropped)}.", "left"
    return table


def _cost(sweep: Sweep, arm: pd.DataFrame) -> ArmCost:
    """Return what an arm costs; its seeds cost the same, and records of old may lack it."""
    first = arm.iloc[0]
    parameters, macs, memory = (arm[name].astype(float).max() for name in ArmCost.columns)
    return ArmCost([first[factor] for factor in sweep.factors], parameters, macs, memory)


def _legend(sweep: Sweep) -> list[str]:
    target = sweep.target()
    if target.value is None:
        return []
    best = f"Best {sweep.metric} first. " if len(sweep.records) > 1 else ""
    said = escape(target.sentence(sweep.metric, sweep.higher_is_better))
    imported = any(record.facts.imported for record in sweep.records)
    lines = [f"{best}{said} Steps are {'those that were logged' if imported else 'optimizer steps'}."]
    frame = sweep.frame()
    if len(frame) > 1 and frame["steps_to_target"].isna().groupby(frame["arm_hash"]).nunique().gt(1).any():
        lines.append("≥: only so many of the runs reached the target; the others count with all their steps.")
    alone = len(sweep.records) == len({r.facts.arm_hash for r in sweep.records}) > 1
    if alone and not imported:
        lines.append('One seed an arm: differences may be chance. For ten, add "seed=range(0,10)".')
    return lines


def _steps(arm: pd.DataFrame) -> str:
    found = steps(arm)
    mean = number_text(found.mean, digits=0)
    return mean if found.reached in (0, found.runs) else f"≥{mean} ({found.reached}/{found.runs})"


def _mean_and_deviation(values: pd.Series) -> str:
    if values.notna().sum() < 2:
        return number_text(float(values.mean()))
    return f"{values.mean():.3f} ±{values.std():.3f}"


def _statuses(values: pd.Series) -> str:
    counts = values.value_counts()
    alone = len(values) == 1 or len(counts) == 1
    parts = (f"[{STYLES[Status(str(s))]}]{s if alone else f'{n} {s}'}[/]" for s, n in counts.items())
    return ", ".join(parts)
