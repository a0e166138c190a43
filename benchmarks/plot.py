"""The figure of what was measured, ``docs/images/performance.png``: how each thing grows with its size."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from ablate.figures.chart import FAINT, Chart, grid, logarithmic, styled
from ablate.figures.palette import look

Lines = dict[str, dict[int, float]]
"""What is drawn over its sizes, by the name of each line."""


def plot(found: Mapping[str, Any]) -> Chart:
    """Draw a panel for each of sweeps, stacks, memory and reports that has been measured."""
    panels = [panel for name, panel in PANELS.items() if name in found]
    with styled():
        chart, axes = grid(len(panels), 2, 4.6, 3.1)
        for (title, across, up), name, one in zip(panels, filter(found.__contains__, PANELS), axes, strict=True):
            lines = LINES[name](found[name])
            draw(one, lines, from_zero=name == "memory")
            one.set_title(title, fontsize=10, loc="left", fontweight="bold")
            one.set_xlabel(across, fontsize=8.5)
            one.set_ylabel(up, fontsize=8.5)
            one.legend(fontsize=7.5, frameon=False)
    return chart


def draw(axes: Axes, lines: Lines, *, from_zero: bool) -> None:
    """Draw the lines on logarithmic axes; ratios of memory over zero."""
    for at, (name, points) in enumerate(lines.items()):
        how = look(at)
        shown: dict[str, Any] = {"color": how.color, "linestyle": how.line, "marker": how.marker, "label": name}
        axes.plot(list(points), list(points.values()), markersize=4, linewidth=1.4, **shown)
    sizes, values = spread([point for points in lines.values() for point in points.items()])
    logarithmic(axes, "x", *sizes)
    if from_zero:
        axes.axhline(1, color=FAINT, linewidth=1, linestyle=(0, (1, 2)))
        axes.set_ylim(0, 1.4 * values[1])
    else:
        logarithmic(axes, "y", *values)


def spread(points: Sequence[tuple[int, float]]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the least and the greatest of either coordinate."""
    across, up = zip(*points, strict=True)
    return (min(across), max(across)), (min(up), max(up))


def sweeps(found: Mapping[str, Any]) -> Lines:
    lines: Lines = {}
    for runs, times in found["times"].items():
        for name, own in times.items():
            lines.setdefault(name, {})[int(runs)] = statistics.median(own)
    return lines


def stacks(found: Mapping[str, Any]) -> Lines:
    return {name: numbered(own["gains"]) for name, own in found["models"].items()}


def memory(found: Mapping[str, Any]) -> Lines:
    return {name: numbered(own["ratios"]) for name, own in found["models"].items()}


def report(found: Mapping[str, Any]) -> Lines:
    lines: Lines = {}
    for count, times in found["seconds"].items():
        for name, own in times.items():
            lines.setdefault(name, {})[int(count)] = statistics.median(own)
    return lines


def numbered(values: Mapping[str, float]) -> dict[int, float]:
    return {int(count): value for count, value in values.items()}


LINES = {"sweeps": sweeps, "stacks": stacks, "memory": memory, "report": report}
PANELS = {
    "sweeps": ("A sweep", "runs", "seconds"),
    "stacks": ("A step in a stack", "K", "times as fast as by hand"),
    "memory": ("Memory of a stack", "K", "times K runs alone"),
    "report": ("A report", "runs", "seconds"),
}
