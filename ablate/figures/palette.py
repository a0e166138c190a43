"""How levels are told apart: by colour for most eyes, by marker and line for all, and in print without colour."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Look:
    """The looks of one level, in matplotlib's words and in plotly's."""

    color: str
    marker: str
    line: str | tuple[int, tuple[float, ...]]
    symbol: str
    dash: str
    path: str
    """The marker as an SVG path in a square of 10 by 10."""
    dashes: str
    """The line as ``stroke-dasharray``."""


# Okabe & Ito (2008), "Color universal design": told apart with any colour vision. Their yellow is too faint on white,
# and their black, the last here, is drawn light where the page is dark.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4d4d4d")
_MARKERS = (
    ("o", "circle", "M1 5a4 4 0 1 0 8 0a4 4 0 1 0 -8 0"),
    ("s", "square", "M1.5 1.5h7v7h-7z"),
    ("^", "triangle-up", "M5 0.5l4.5 8.5h-9z"),
    ("D", "diamond", "M5 0l5 5l-5 5l-5 -5z"),
    ("v", "triangle-down", "M5 9.5l4.5 -8.5h-9z"),
    ("P", "cross", "M3.5 0h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z"),
    ("X", "x", "M0 2l2 -2l3 3l3 -3l2 2l-3 3l3 3l-2 2l-3 -3l-3 3l-2 -2l3 -3z"),
)
_LINES: tuple[tuple[str | tuple[int, tuple[float, ...]], str, str], ...] = (
    ("-", "solid", "none"),
    ("--", "dash", "7 4"),
    ("-.", "dashdot", "7 3 2 3"),
    (":", "dot", "2 3"),
    ((0, (8, 3)), "longdash", "12 4"),
)


def look(level: int) -> Look:
    """Return the looks of the level of this index; 35 of them differ."""
    marker, symbol, path = _MARKERS[level % len(_MARKERS)]
    line, dash, dashes = _LINES[level % len(_LINES)]
    return Look(COLORS[level % len(COLORS)], marker, line, symbol, dash, path, dashes)
