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


# Okabe & Ito (2008), "Color universal design": told apart with any colour vision. Their yellow is too faint on white,
# and their black, the last here, is drawn light where the page is dark.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4d4d4d")
_MARKERS = (
    ("o", "circle"),
    ("s", "square"),
    ("^", "triangle-up"),
    ("D", "diamond"),
    ("v", "triangle-down"),
    ("P", "cross"),
    ("X", "x"),
)
_LINES: tuple[tuple[str | tuple[int, tuple[float, ...]], str], ...] = (
    ("-", "solid"),
    ("--", "dash"),
    ("-.", "dashdot"),
    (":", "dot"),
    ((0, (8, 3)), "longdash"),
)


def look(level: int) -> Look:
    """Return the looks of the level of this index; 35 of them differ."""
    marker, symbol = _MARKERS[level % len(_MARKERS)]
    line, dash = _LINES[level % len(_LINES)]
    return Look(COLORS[level % len(COLORS)], marker, line, symbol, dash)
