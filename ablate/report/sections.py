"""The sections of a page: what each says, shows and lists, before the template gives it a face."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from ablate.analysis import Contrast, Interaction, Verdict
from ablate.analysis.wording import verdict
from ablate.figures.chart import Chart as Drawing
from ablate.figures.interactions import MOST
from ablate.report import run_sheets, sheets
from ablate.report.charts import Chart, curve_charts, effect_charts, interaction_charts
from ablate.report.content import NOTHING, Content
from ablate.report.ills import ailing, compared
from ablate.report.methods import METHODS
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

    title: str
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
    more: Sequence[tuple[str, Sequence[Finding]]] = ()
    """What is folded away, with its title."""
    figures: Sequence[Figure] = ()
    sheets: Sequence[Sheet] = ()
    filter: bool = False
    items: Sequence[str] = ()
    code: Sequence[tuple[str, str]] = field(default=())


def sections_of(content: Content) -> list[Section]:
    """Return the sections of a report that have something to say, in the order of reading."""
    found = content.effects
    aliases = [*content.facts.notes, *(f"Not estimated: {'×'.join(one)}." for one in content.facts.inestimable)]
    made = [
        findings_section(content) if found is not NOTHING else None,
        effects_section(content) if found.contrasts else None,
        curves_section(content) if content.bands else None,
        interactions_section(content) if content.cells else None,
        _tables("shares", "Shares of the variance", sheets.shares_sheet(found.shares)),
        Section("arms", "Arms", sheets=[run_sheets.arms_sheet(content)], filter=True),
        layers_section(content) if content.layers else None,
        _tables(
            "failures",
            "Divergence and failures",
            sheets.divergences_sheet(found.divergences),
            run_sheets.failures_sheet(content),
            items=content.warnings,
        ),
        _tables(
            "decisions",
            "What the design decided",
            run_sheets.tuned_sheet(content.facts, content.metric),
            run_sheets.path_sheet(content.facts, content.metric),
            items=aliases,
        ),
        Section("methods", "Methods", items=(f"Target: {content.told_target}.", *METHODS)),
        Section("reproduce", "Reproduce", code=_reproduce(content)),
    ]
    return [one for one in made if one is not None]


def _tables(name: str, title: str, *tables: Sheet, items: Sequence[str] = ()) -> Section | None:
    shown = [one for one in tables if one]
    return Section(name, title, sheets=shown, items=items) if shown or items else None


def _reproduce(content: Content) -> list[tuple[str, str]]:
    versions = "\n".join(f"{name}=={version}" for name, version in content.versions.items())
    last = [one for one in content.commands if one == content.facts.command]
    earlier = [one for one in content.commands if one not in last]
    code = [
        ("Command", "\n".join(last)),
        ("Earlier commands, whose runs it reuses" if last else "Commands", "\n".join(earlier)),
        ("Versions", versions),
    ]
    return [(title, text) for title, text in code if text]


def findings_section(content: Content) -> Section:
    """Return the effects and interactions in words: what was found first; other metrics and what is open folded away.

    Those of the metrics that are plotted come first: steps to target and the test.
    """
    found = content.effects
    said: dict[str, list[Finding]] = {"": [], "On other metrics": [], "Undecided": []}
    main = {"steps_to_target", *content.cells, *(name for name in content.frame if str(name).startswith("test/"))}
    told: list[Contrast | Interaction] = [*found.contrasts, *found.interactions]
    for one in told:
        said_of = one.test.verdict
        decided = said_of.effect or said_of is Verdict.none
        place = "" if decided and one.metric.column in main else "On other metrics" if decided else "Undecided"
        said[place].append(finding(one))
    first = said.pop("")
    return Section(
        "findings",
        "Findings",
        [] if first else ["No effect was shown, and none was shown to be absent."],
        first,
        [(f"{title}: {len(rest)}", rest) for title, rest in said.items() if rest],
        items=[*(one.sentence() for one in found.refused), *found.notes],
    )


def layers_section(content: Content) -> Section:
    """Return what is wrong in the layers of each arm, and which arms have it; one line where nothing is."""
    shown = ailing(content.layers)
    said = "This is wrong in the layers" if shown else "No known symptom was found in the layers that were measured"
    said += ": those of the first run of each arm that came to an end."
    findings = [Finding(", ".join(dict.fromkeys(s.name for s in one.symptoms)), "bad", one.sentence()) for one in shown]
    return Section("layers", "Layers", [said], findings, items=compared(content.layers))


def effects_section(content: Content) -> Section:
    """Return the forest plots."""
    caption = (
        "Each mark is the estimate, each line its interval. Filled: an effect was found; circle: for the better, "
        "diamond: for the worse; open: undecided or none. The grey stripe is the margin within which a difference "
        "counts as none."
    )
    contrasts = content.effects.contrasts
    numbers = sheets.effects_sheet(contrasts)
    shown = figure("", effect_charts(contrasts), content.drawings["effects"], caption, "stack", numbers)
    return Section("effects", "Effects", figures=[shown])


def curves_section(content: Content) -> Section:
    """Return the mean curves of each metric."""
    shown = []
    for metric, band in content.bands.items():
        caption = (
            f"Mean {metric} of each level over optimizer steps. Bands: Student's t over seeds, at each step by itself; "
            "runs are averaged over the other factors within each seed."
        )
        charts = curve_charts(band, metric, content.target if metric == content.metric else None)
        numbers = sheets.ends_sheet(band, metric)
        shown.append(figure(metric, charts, content.drawings[f"curves/{metric}"], caption, "grid", numbers))
    return Section("convergence", "Convergence", figures=shown)


def interactions_section(content: Content) -> Section:
    """Return a plot of each pair of factors and metric, as many as a figure has room for."""
    shown = []
    for name, (metric, table) in content.cells.items():
        charts = interaction_charts(table, metric)
        caption = f"{metric.name}: lines that are not parallel are an interaction. Intervals: each cell by itself."
        if len(charts) > MOST:
            caption += f" {len(charts) - MOST} more pairs of factors are in the table."
        numbers = sheets.interactions_sheet([one for one in content.effects.interactions if one.metric == metric])
        shown.append(
            figure(metric.name, charts[:MOST], content.drawings[f"interactions/{name}"], caption, "grid", numbers)
        )
    return Section("interactions", "Interactions", figures=shown)


def figure(title: str, charts: Sequence[Chart], drawing: Drawing, caption: str, kind: str, *tables: Sheet) -> Figure:
    """Return charts with their picture for print, and the tables of what they show."""
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
    return Figure(
        title, made, static, " ".join(chart.alt for chart in charts), caption, kind, [one for one in tables if one]
    )


def script_json(content: object) -> Markup:
    """Return JSON that can stand in a script element: it can neither end it nor begin another."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def finding(one: Contrast | Interaction) -> Finding:
    """Return a contrast or an interaction in words, its verdict in front."""
    if isinstance(one, Interaction):
        return Finding(sheets.crossed(one), "open", one.sentence())
    good = "good" if one.test.mean * one.metric.sign > 0 else "bad"
    return Finding(verdict(one.test), good if one.test.verdict.effect else "open", one.sentence())
