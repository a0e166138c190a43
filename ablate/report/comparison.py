"""The faces of a comparison: the terminal, a page, data.

The schema of the data is in docs/report.md; a change that a reader would notice raises ``SCHEMA``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ablate.analysis import bands
from ablate.analysis.table import label
from ablate.analysis.unpaired import Unpaired
from ablate.comparison import Comparison
from ablate.figures.curves import curves as curve_plot
from ablate.figures.effects import effects as effect_plot
from ablate.json_text import json_text
from ablate.report.charts import curve_charts, effect_charts
from ablate.report.comparison_sheets import (
    contrasts_sheet,
    effects_sheet,
    figures_sheet,
    settings_sheet,
    sides_sheet,
    tables,
    unpaired_sheet,
)
from ablate.report.data import contrast, of_metric
from ablate.report.json_values import plain
from ablate.report.page import FOOTER, page
from ablate.report.sections import Finding, Section, figure, finding
from ablate.report.sheets import Cell, Sheet, ends_sheet
from ablate.report.sheets import effects_sheet as effects
from ablate.report.style import console
from ablate.side_contrasts import in_words

SCHEMA = 1
_HEAD = 12
"""A head of a column of numbers is broken beyond so many letters."""
_SPARED = ("final ", "area ", "seconds")
"""The figures that are left out where there is no room, the last first."""
_ANY = 10_000
SAME = "Nothing differs in the settings."


def print_comparison(comparison: Comparison) -> None:
    """Print the tables, and what is to be known beside them."""
    out = console()
    for sheet in tables(comparison):
        out.print(f"\n[bold]{escape(sheet.title)}[/]")
        arms = sheet.heads[0] == "arm"
        for arm, rows in groupby(sheet.rows, key=lambda row: row[0].text if arms else ""):
            if arms:  # there is no room for it beside the numbers
                out.print(escape(f"\n{arm}"), soft_wrap=True)
            out.print(_fitting(sheet, [row[arms:] for row in rows], sheet.heads[arms:], out))
        for note in sheet.notes:
            out.print(escape(note))
        if sheet.name == "sides" and not comparison.settings:
            out.print(f"\n{SAME}")
    out.print()
    for note in comparison.notes:
        out.print(f"[yellow]{escape(note)}[/]")


def _fitting(sheet: Sheet, rows: Sequence[Sequence[Cell]], heads: Sequence[str], out: Console) -> Table:
    """Return the table without those of the figures that there is no room for; they are named beneath."""
    kept, dropped = list(range(len(heads))), []
    for last in [at for at, head in enumerate(heads) if head.startswith(_SPARED)][::-1]:
        table = _table(sheet, [[row[at] for at in kept] for row in rows], [heads[at] for at in kept])
        if (
            sheet.name != "figures"
            or out.measure(table, options=out.options.update(max_width=_ANY)).maximum <= out.width
        ):
            break
        kept.remove(last)
        dropped.append(heads[last])
    table = _table(sheet, [[row[at] for at in kept] for row in rows], [heads[at] for at in kept])
    if dropped:
        table.caption, table.caption_justify = f"No room here for: {', '.join(dropped)}.", "left"
    return table


def _table(sheet: Sheet, rows: Sequence[Sequence[Cell]], heads: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for head in heads:
        if head == "side":  # one letter, the last thing to give up where there is no room
            table.add_column(head, no_wrap=True, min_width=len(head))
        elif head in sheet.words:
            table.add_column(escape(head), overflow="fold")
        else:
            lines = head.rsplit(" ", 1) if len(head) > _HEAD else [head]
            table.add_column(escape("\n".join(lines)), justify="right", no_wrap=True)
    last = ""
    for first, *rest in rows:
        again = first.text == last and heads[0] in ("contrast", "effect")
        last = first.text
        table.add_row(Text("" if again else first.text), *(Text(cell.text) for cell in rest))
    return table


def to_page(comparison: Comparison) -> str:
    """Return the comparison as one self-contained page."""
    names = [f"{side.letter}: {side.name}" for side in comparison.sides]
    what = "sweeps" if comparison.of_sweeps else "arms"
    lead = f"{len(names)} {what} side by side. Judged by {comparison.metric}."
    facts = [(side.letter, f"{side.name}, {len(side.sweep.records)} runs") for side in comparison.sides]
    made = [
        Section("findings", "Findings", findings=_findings(comparison), items=comparison.notes),
        _settings(comparison),
        _curves(comparison),
        _section("figures", figures_sheet(comparison)),
        _contrasts(comparison),
        _section("effects", effects_sheet(comparison)),
        _section("sides", sides_sheet(comparison)),
    ]
    footer = f"{FOOTER} Paired contrasts are within each seed; sides that share no seeds are compared as two groups."
    return page(" and ".join(names), lead, facts, [one for one in made if one is not None], footer)


def _findings(comparison: Comparison) -> list[Finding]:
    found = [replace(finding(one), sentence=in_words(one.sentence())) for one in comparison.contrasts]
    for one in comparison.unpaired:
        good = "good" if one.mean * one.metric.sign > 0 else "bad"
        found.append(Finding(str(one.verdict), good if one.verdict.effect else "open", in_words(one.sentence())))
    return found


def _settings(comparison: Comparison) -> Section:
    sheet = settings_sheet(comparison)
    return Section("settings", sheet.title, [] if sheet else [SAME], sheets=[sheet] if sheet else [])


def _section(name: str, *sheets: Sheet) -> Section | None:
    shown = [one for one in sheets if one]
    return Section(name, shown[0].title, sheets=shown) if shown else None


def _contrasts(comparison: Comparison) -> Section | None:
    """Return the contrasts as forest plots with their numbers, and those without pairs as a table."""
    paired, rest = comparison.contrasts, unpaired_sheet(comparison)
    shown = []
    if paired:
        charts, drawing = effect_charts(paired), effect_plot(paired)
        shown.append(figure("", charts, drawing, " ".join(contrasts_sheet(comparison).notes), "stack", effects(paired)))
    sheets = [rest] if rest else []
    return Section("contrasts", "Contrasts", figures=shown, sheets=sheets) if shown or sheets else None


def _curves(comparison: Comparison) -> Section | None:
    """Return the mean curves of the sides over each other; of sweeps, of the arms in common."""
    shown = []
    for metric in dict.fromkeys((comparison.metric, "val/loss")):
        band = side_bands(comparison, metric)
        if band.empty:
            continue
        target = comparison.target if metric == comparison.metric else None
        arms = ", averaged over the arms in common within each seed" if comparison.of_sweeps else ""
        caption = f"Mean {metric} of each side over optimizer steps{arms}. Bands: Student's t over seeds, at each step."
        drawing = curve_plot(band, metric, target)
        shown.append(
            figure(metric, curve_charts(band, metric, target), drawing, caption, "stack", ends_sheet(band, metric))
        )
    return Section("curves", "Curves", figures=shown) if shown else None


def side_bands(comparison: Comparison, metric: str) -> pd.DataFrame:
    """Return the mean curve of each side, as ``ablate.analysis.bands``; without rows where there is none."""
    curves = comparison.curves
    if not len(curves) or not (curves["metric"] == metric).any():
        return pd.DataFrame()
    factors = ["side", "arm"] if comparison.of_sweeps else ["side"]
    found = bands(curves, factors, metric)
    return found[found["factor"] == "side"].reset_index(drop=True)


def document(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as what JSON has: no number in it is infinite or NaN."""
    letters = [side.letter for side in comparison.sides]
    told: dict[str, Any] = plain(
        {
            "schema": SCHEMA,
            "sides": [
                {
                    "side": side.letter,
                    "given": side.given,
                    "name": side.name,
                    "folder": side.sweep.folder,
                    "hashes": side.arms,
                    "seeds": side.seeds,
                    "factors": side.sweep.factors,
                }
                for side in comparison.sides
            ],
            "metric": {"name": comparison.metric, "higher_is_better": comparison.higher_is_better},
            "target": {"value": comparison.target, "why": comparison.why_target},
            "differing": {key: dict(zip(letters, values, strict=True)) for key, values in comparison.settings.items()},
            "common": comparison.arms,
            "runs": comparison.frame.to_dict("records"),
            "contrasts": [contrast(one) | {"sentence": in_words(one.sentence())} for one in comparison.contrasts],
            "unpaired": [_unpaired(one) for one in comparison.unpaired],
            "effects": {
                letter: [contrast(one) for one in found.contrasts] for letter, found in comparison.effects.items()
            },
            "notes": comparison.notes,
        }
    )
    return told


def to_json(comparison: Comparison) -> str:
    """Return the comparison as JSON."""
    return json_text(document(comparison))


def _unpaired(one: Unpaired) -> dict[str, Any]:
    return {
        "factor": one.factor,
        "level": label(one.level),
        "baseline": label(one.baseline),
        "within": None if one.within is None else {one.within[0]: label(one.within[1])},
        **of_metric(one.metric),
        "estimate": one.estimate,
        "low": one.low,
        "high": one.high,
        "confidence": one.confidence,
        "n": one.runs,
        "means": one.means,
        "censored": one.censored,
        "p": one.p,
        "p_permutation": one.p_permutation,
        "p_holm": one.p_holm,
        "p_permutation_holm": one.p_permutation_holm,
        "family": one.family,
        "verdict": one.verdict,
        "sentence": in_words(one.sentence()),
    }
