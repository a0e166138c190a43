"""The sections of a page: what each says, shows and lists, before the template gives it a face."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from markupsafe import Markup

from ablate.analysis import Contrast, Effects, Interaction, Metric, Verdict
from ablate.figures import curves, effects, interactions
from ablate.figures.chart import Chart as Drawing
from ablate.report import sheets
from ablate.report.charts import Chart, curve_charts, effect_charts, interaction_charts
from ablate.report.sheets import Sheet


@dataclass(frozen=True)
class Finding:
    """A sentence with its verdict in front."""

    verdict: str
    tone: str
    """``good``, ``bad`` or ``open``."""
    sentence: str


@dataclass(frozen=True)
class Figure:
    """Charts to look into, the same as one picture for print, and the numbers in both."""

    charts: Sequence[Mapping[str, Any]]
    static: str
    """An SVG in base64."""
    alt: str
    caption: str
    kind: str = "grid"
    """``grid`` for charts side by side where there is room, ``stack`` for one below the other."""
    sheets: Sequence[Sheet] = ()


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading."""

    name: str
    title: str
    intro: Sequence[str] = ()
    findings: Sequence[Finding] = ()
    more: Sequence[Finding] = ()
    more_title: str = ""
    figures: Sequence[Figure] = ()
    sheets: Sequence[Sheet] = ()
    filter: bool = False
    items: Sequence[str] = ()
    code: Sequence[tuple[str, str]] = field(default=())


def findings_section(found: Effects) -> Section:
    """Return the effects and interactions in words: what was found first, what is open folded away."""
    said = [*map(_contrast, found.contrasts), *map(_interaction, found.interactions)]
    called = [one for one, decided in said if decided]
    rest = [one for one, decided in said if not decided]
    intro = [] if called else ["No effect was shown, and none was shown to be absent."]
    return Section(
        "findings",
        "Findings",
        intro,
        called,
        rest,
        f"Undecided: {len(rest)}",
        items=[*(one.sentence() for one in found.refused), *found.notes],
    )


def effects_section(contrasts: Sequence[Contrast]) -> Section:
    """Return the forest plots."""
    caption = (
        "Each mark is the estimate, each line its interval. Filled: an effect was found; circle: for the better, "
        "diamond: for the worse; open: undecided or none. The grey stripe is the margin within which a difference "
        "counts as none."
    )
    shown = _figure(
        effect_charts(contrasts), effects.effects(contrasts), caption, "stack", sheets.effects_sheet(contrasts)
    )
    return Section("effects", "Effects", figures=[shown])


def curves_section(bands: Mapping[str, pd.DataFrame], targets: Mapping[str, float | None]) -> Section:
    """Return the mean curves of each metric; ``targets`` are lines to be drawn."""
    shown = []
    for metric, band in bands.items():
        target = targets.get(metric)
        caption = (
            f"Mean {metric} of each level over optimizer steps. Bands: Student's t over seeds, at each step by itself; "
            "runs are averaged over the other factors within each seed."
        )
        drawn = curves.curves(band, metric, target)
        shown.append(
            _figure(curve_charts(band, metric, target), drawn, caption, "grid", sheets.ends_sheet(band, metric))
        )
    return Section("convergence", "Convergence", figures=shown)


def interactions_section(cells: Mapping[Metric, pd.DataFrame], found: Sequence[Interaction]) -> Section:
    """Return a plot of each pair of factors and metric, those with an interaction first."""
    shown = []
    for metric, table in cells.items():
        of = [one for one in found if one.metric.column == metric.column]
        ranked, left = _ranked(table, of)
        caption = f"{metric.name}: lines that are not parallel are an interaction. Intervals: each cell by itself."
        caption += f" {left} more pairs of factors are in the table." if left else ""
        charts = interaction_charts(ranked, metric)
        shown.append(
            _figure(charts, interactions.interactions(ranked, metric), caption, "grid", sheets.interactions_sheet(of))
        )
    return Section("interactions", "Interactions", figures=shown)


def _figure(charts: Sequence[Chart], drawing: Drawing, caption: str, kind: str, *tables: Sheet) -> Figure:
    made = [
        {
            "title": chart.title,
            "alt": chart.alt,
            "legend": chart.legend,
            "layout": chart.layout,
            "json": script_json({"data": chart.traces, "layout": chart.layout}),
        }
        for chart in charts
    ]
    static = base64.b64encode(drawing.svg().encode()).decode()
    return Figure(made, static, " ".join(chart.alt for chart in charts), caption, kind, [one for one in tables if one])


def script_json(content: object) -> Markup:
    """Return JSON that can stand in a script element: it can neither end it nor begin another."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _contrast(one: Contrast) -> tuple[Finding, bool]:
    verdict = one.test.verdict
    tone = "open"
    if verdict.effect:
        tone = "good" if one.test.mean * one.metric.sign > 0 else "bad"
    return Finding(str(verdict), tone, one.sentence()), verdict.effect or verdict is Verdict.none


def _interaction(one: Interaction) -> tuple[Finding, bool]:
    verdict = one.test.verdict
    return Finding(sheets.crossed(one), "open", one.sentence()), verdict.effect or verdict is Verdict.none


def _ranked(cells: pd.DataFrame, found: Sequence[Interaction]) -> tuple[pd.DataFrame, int]:
    """Return the cells of as many pairs as a figure has room for, and how many are left out."""
    called = {(one.factor, one.other) for one in found if one.test.verdict.effect}
    parts = [(pair in called, part) for pair, part in cells.groupby(["factor", "other"], sort=False)]
    parts.sort(key=lambda part: not part[0])
    return pd.concat([part for _, part in parts[: interactions.MOST]]), max(0, len(parts) - interactions.MOST)
