"""A forest plot: the estimate of each contrast with its interval, beside no effect and the margin."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from ablate.analysis import Contrast, Metric, Scale
from ablate.analysis.wording import between, number, verdict
from ablate.figures.chart import FAINT, INK, Chart, grid, logarithmic, styled
from ablate.figures.palette import COLORS

GOOD, BAD, OPEN = COLORS[0], COLORS[1], COLORS[-1]
UNITS = {Scale.points: "points", Scale.ratio: "ratio", Scale.plain: "difference"}


def effects(contrasts: Sequence[Contrast]) -> Chart:
    """Draw the contrasts of each metric in a panel: filled where an effect was found, a diamond where it is for worse.

    Ratios stand on a logarithmic axis. The grey stripe is the margin within which a difference is called none.
    """
    metrics = list(dict.fromkeys(one.metric.column for one in contrasts))
    most = max(sum(one.metric.column == metric for one in contrasts) for metric in metrics)
    with styled():
        chart, panels = grid(len(metrics), 1, 8.4, 0.95 + 0.34 * most)
        for column, axes in zip(metrics, panels, strict=True):
            _forest(axes, [one for one in contrasts if one.metric.column == column])
    return chart


def null(metric: Metric) -> float:
    """Return the estimate that is no effect."""
    return 1.0 if metric.scale is Scale.ratio else 0.0


def stripe(metric: Metric) -> tuple[float, float] | None:
    """Return the estimates within which a difference is called none, in the metric's unit."""
    return None if metric.bound is None else (metric.in_unit(-metric.bound), metric.in_unit(metric.bound))


def better(metric: Metric) -> str:
    """Return which way is better and which is worse, in words that stand below the axis."""
    good, bad = ("faster", "slower") if metric.pace else ("better", "worse")
    left, right = (bad, good) if metric.sign > 0 else (good, bad)
    return f"← {left}   {right} →"


def result(one: Contrast) -> str:
    """Return the estimate, its interval and the verdict, to stand at the right."""
    sign = "×" if one.metric.scale is Scale.ratio else ""
    return f"{number(one.metric, one.test.estimate)}{sign}{between(one.test)}  {verdict(one.test)}"


def _forest(axes: Axes, contrasts: Sequence[Contrast]) -> None:
    metric = contrasts[0].metric
    ends = [null(metric)]
    if (zone := stripe(metric)) is not None:
        axes.axvspan(*zone, color="#e9e9e9", zorder=0)
        ends += zone
    for row, one in enumerate(contrasts):
        test = one.test
        found = test.verdict.effect
        good = test.mean * metric.sign > 0
        color = (GOOD if good else BAD) if found else OPEN
        ends.append(test.estimate)
        if test.low is not None and test.high is not None:
            axes.plot([test.low, test.high], [row, row], color=color, linewidth=1.8, solid_capstyle="butt")
            ends += [test.low, test.high]
        axes.plot(
            [test.estimate],
            [row],
            marker="o" if good or not found else "D",
            color=color,
            markerfacecolor=color if found else "white",
            markersize=6.5,
            markeredgewidth=1.5,
        )
        axes.annotate(
            result(one),
            (1.01, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color=INK,
            annotation_clip=False,
        )
    axes.axvline(null(metric), color=FAINT, linewidth=1)
    if metric.scale is Scale.ratio:
        logarithmic(axes, "x", min(ends), max(ends), "{:g}×")
    axes.set_yticks(range(len(contrasts)), labels=[one.name for one in contrasts])
    axes.set_ylim(len(contrasts) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_title(metric.name, fontsize=10, loc="left", fontweight="bold")
    unit = f"{UNITS[metric.scale]} with {contrasts[0].test.confidence:.0%} interval"
    axes.set_xlabel(f"{unit}   {better(metric)}", fontsize=8.5)
