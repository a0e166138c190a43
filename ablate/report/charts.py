"""Charts for a page, in plotly's words: dictionaries, so that nothing of plotly is imported to make them.

Texts that users named are escaped here: plotly reads some HTML in labels.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ablate.analysis import Contrast, Metric, Scale
from ablate.analysis.table import label
from ablate.analysis.wording import setting
from ablate.figures.chart import log_ticks
from ablate.figures.effects import BAD, GOOD, OPEN, UNITS, better, null, result, stripe
from ablate.figures.palette import Look, look

ROW = 72
"""Pixels of a contrast in a forest plot."""
HOVER = 64
"""Letters of a line that is shown beside the pointer."""


@dataclass(frozen=True)
class Chart:
    """A chart, the words for those who do not see it, and the lines that can be switched off."""

    title: str
    alt: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    legend: tuple[tuple[str, Look], ...] = ()


def curve_charts(bands: pd.DataFrame, metric: str, target: float | None) -> list[Chart]:
    """Return a chart per factor of what ``ablate.analysis.bands`` returns: mean and band of each level over steps."""
    return [_curves(str(factor), rows, metric, target) for factor, rows in bands.groupby("factor", sort=False)]


def effect_charts(contrasts: Sequence[Contrast]) -> list[Chart]:
    """Return a forest plot per metric."""
    columns = dict.fromkeys(one.metric.column for one in contrasts)
    return [_forest([one for one in contrasts if one.metric.column == column]) for column in columns]


def interaction_charts(cells: pd.DataFrame, metric: Metric) -> list[Chart]:
    """Return a chart per pair of factors of what ``ablate.analysis.cells`` returns."""
    return [
        _interaction(str(factor), str(other), rows, metric)
        for (factor, other), rows in cells.groupby(["factor", "other"], sort=False)
    ]


def _curves(factor: str, rows: pd.DataFrame, metric: str, target: float | None) -> Chart:
    traces: list[dict[str, Any]] = []
    legend, last = [], []
    for at, (level, band) in enumerate(rows.groupby(rows["level"].map(label), sort=False)):
        how = look(at)
        name = setting(factor, level)
        group = f"line{at}"
        if band["low"].notna().any():
            steps = band["step"].tolist()
            ends = [*_numbers(band["high"]), *reversed(_numbers(band["low"]))]
            traces.append(
                {
                    "x": [*steps, *reversed(steps)],
                    "y": ends,
                    "fill": "toself",
                    "fillcolor": _faint(how.color),
                    "line": {"width": 0},
                    "mode": "lines",
                    "hoverinfo": "skip",
                    "legendgroup": group,
                }
            )
        traces.append(
            {
                "x": band["step"].tolist(),
                "y": _numbers(band["mean"]),
                "customdata": [
                    html.escape(f"{name}: {_with_ends(mean, low, high)}, {seeds} seeds")
                    for mean, low, high, seeds in zip(
                        band["mean"], band["low"], band["high"], band["seeds"], strict=True
                    )
                ],
                "hovertemplate": "%{customdata}<extra></extra>",
                "mode": "lines+markers",
                "line": {"color": how.color, "dash": how.dash, "width": 2},
                "marker": {"symbol": how.symbol, "size": 7, "color": how.color, "maxdisplayed": 8},
                "name": html.escape(name),
                "legendgroup": group,
            }
        )
        legend.append((name, how))
        last.append(f"{name} ends at {band['mean'].iloc[-1]:.4g}")
    layout = _layout("optimizer steps", metric) | {"hovermode": "x unified", "height": 340}
    if target is not None:
        layout["shapes"] = [_line("y", target, "dot")]
        layout["annotations"] = [_note(f"target {target:.4g}", 1, target, "right")]
    alt = f"Line chart of {metric} over optimizer steps by the levels of {factor}: {'; '.join(last)}."
    return Chart(factor, alt, traces, layout, tuple(legend))


def _forest(contrasts: Sequence[Contrast]) -> Chart:
    metric = contrasts[0].metric
    ratio = metric.scale is Scale.ratio
    tests = [one.test for one in contrasts]
    good = [test.mean * metric.sign > 0 for test in tests]
    colors = [(GOOD if well else BAD) if test.verdict.effect else OPEN for test, well in zip(tests, good, strict=True)]
    traces: list[dict[str, Any]] = []
    for row, (one, color, well) in enumerate(zip(contrasts, colors, good, strict=True)):
        test = one.test
        found = test.verdict.effect
        reach = {}
        if test.low is not None and test.high is not None:
            reach = {
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [test.high - test.estimate],
                    "arrayminus": [test.estimate - test.low],
                    "thickness": 2,
                    "width": 0,
                    "color": color,
                }
            }
        symbol = ("circle" if well else "diamond") if found else "circle-open"
        traces.append(
            {
                "x": [test.estimate],
                "y": [row],
                "mode": "markers",
                "marker": {"size": 11, "symbol": symbol, "color": color, "line": {"width": 2, "color": color}},
                "hovertemplate": _wrapped(one.sentence()) + "<extra></extra>",
                **reach,
            }
        )
    ends = [null(metric), *(end for one in tests for end in (one.estimate, one.low, one.high) if end is not None)]
    zone = stripe(metric)
    ends += zone or ()
    layout = _layout(f"{UNITS[metric.scale]}   {better(metric)}", "") | {"height": 64 + ROW * len(contrasts)}
    layout["xaxis"] |= _ratios(min(ends), max(ends), "×") if ratio else {}
    layout["yaxis"] = {"range": [len(contrasts) - 0.7, -0.8], "visible": False, "fixedrange": True}
    layout["margin"] = {"l": 8, "r": 12, "t": 6, "b": 48}
    layout["shapes"] = [_line("x", null(metric), "solid")]
    if zone:
        layout["shapes"].append(
            {"type": "rect", "layer": "below", "yref": "paper", "y0": 0, "y1": 1, "x0": zone[0], "x1": zone[1]}
            | {"fillcolor": "rgba(128,128,128,0.16)", "line": {"width": 0}}
        )
    layout["annotations"] = [
        _note("", 0, row, "left")
        | {"text": f"{html.escape(one.name)}<br>{html.escape(result(one))}", "align": "left", "yshift": 28}
        for row, one in enumerate(contrasts)
    ]
    said = "; ".join(f"{one.name}: {result(one)}" for one in contrasts)
    return Chart(metric.name, f"Forest plot of effects on {metric.name}: {said}.", traces, layout)


def _interaction(factor: str, other: str, rows: pd.DataFrame, metric: Metric) -> Chart:
    traces: list[dict[str, Any]] = []
    legend, said = [], []
    for at, (level, line) in enumerate(rows.groupby(rows["other_level"].map(label), sort=False)):
        how = look(at)
        name = setting(other, level)
        words = [
            f"{setting(factor, here)}, {name}: {_with_ends(mean, low, high)}"
            for here, mean, low, high in zip(line["level"], line["mean"], line["low"], line["high"], strict=True)
        ]
        traces.append(
            {
                "x": [html.escape(label(here)) for here in line["level"]],
                "y": _numbers(line["mean"]),
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": _numbers(line["high"] - line["mean"]),
                    "arrayminus": _numbers(line["mean"] - line["low"]),
                    "thickness": 1.5,
                    "width": 4,
                },
                "customdata": [html.escape(one) for one in words],
                "hovertemplate": "%{customdata}<extra></extra>",
                "mode": "lines+markers",
                "line": {"color": how.color, "dash": how.dash, "width": 2},
                "marker": {"symbol": how.symbol, "size": 9, "color": how.color},
                "name": html.escape(name),
                "legendgroup": f"line{at}",
            }
        )
        legend.append((name, how))
        said += words
    layout = _layout(factor, metric.name) | {"height": 320}
    layout["xaxis"] |= {"type": "category"}
    known = rows[["mean", "low", "high"]].to_numpy(dtype=float)
    if metric.scale is Scale.ratio and np.isfinite(known).any():
        layout["yaxis"] |= _ratios(float(np.nanmin(known)), float(np.nanmax(known)))
    alt = f"Interaction plot of {metric.name} by {factor}, a line for each level of {other}: {'; '.join(said)}."
    return Chart(f"{factor} × {other}", alt, traces, layout, tuple(legend))


def _with_ends(mean: float, low: float, high: float) -> str:
    return f"{mean:.4g}" if math.isnan(low) else f"{mean:.4g} [{low:.4g}, {high:.4g}]"


def _layout(x: str, y: str) -> dict[str, Any]:
    return {
        "xaxis": {"title": {"text": html.escape(x)}, "zeroline": False, "automargin": True},
        "yaxis": {"title": {"text": html.escape(y)}, "zeroline": False, "automargin": True},
        "showlegend": False,
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "dragmode": False,
    }


def _ratios(low: float, high: float, sign: str = "") -> dict[str, Any]:
    """Return a logarithmic axis over a range; plotly wants the range as powers of ten."""
    ticks = log_ticks(low, high)
    room = max(math.log10(high / low), 0.01) * 0.05
    return {
        "type": "log",
        "range": [math.log10(low) - room, math.log10(high) + room],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}{sign}" for tick in ticks],
    }


def _line(axis: str, at: float, dash: str) -> dict[str, Any]:
    across = "y" if axis == "x" else "x"
    ends = {f"{axis}0": at, f"{axis}1": at, f"{across}0": 0, f"{across}1": 1, f"{across}ref": "paper"}
    return {"type": "line", "line": {"color": "#767676", "width": 1.5, "dash": dash}, **ends}


def _note(words: str, x: float, y: float, side: str) -> dict[str, Any]:
    return {
        "text": html.escape(words),
        "x": x,
        "y": y,
        "xref": "paper",
        "xanchor": side,
        "yanchor": "bottom" if side == "right" else "middle",
        "showarrow": False,
    }


def _wrapped(words: str) -> str:
    lines = "<br>".join(html.escape(line) for line in textwrap.wrap(words, HOVER))
    return lines.replace("%{", "%&#123;")  # which would be a template


def _faint(color: str) -> str:
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _numbers(values: pd.Series) -> list[float | None]:
    """Return numbers that JSON has; what is none is a gap."""
    return [float(value) if math.isfinite(value) else None for value in values]
