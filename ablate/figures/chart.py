"""A matplotlib figure without pyplot: no global state, no window, any number of them in any thread."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

DPI = 110
INK = "#1b1b1b"
FAINT = "#767676"
RULE = "#d6d6d6"

_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: small, searchable, read aloud
    "svg.hashsalt": "ablate",  # the same figure is the same file
    "font.family": ["DejaVu Sans"],
    "text.parse_math": False,  # whatever dollar signs a level has
}


class Chart(Figure):
    """A figure that notebooks show as it is. Where things stand is settled when it is first rendered."""

    _placed = False

    def png(self) -> bytes:
        """Return it as an image of ``DPI`` dots an inch."""
        return self._rendered("png")

    def svg(self) -> str:
        """Return it as an ``<svg>`` element; text stays text."""
        text = self._rendered("svg").decode()
        return text[text.index("<svg") :]

    def _repr_png_(self) -> bytes:
        return self.png()

    def _rendered(self, kind: str) -> bytes:
        unsaid = ("Software",) if kind == "png" else ("Date", "Creator", "Format", "Type")
        file = io.BytesIO()
        with styled():
            if not self._placed:  # which costs as much as drawing does
                self.draw_without_rendering()
                self.set_layout_engine("none")
                self._placed = True
            self.savefig(file, format=kind, dpi=DPI if kind == "png" else 72, metadata=dict.fromkeys(unsaid))
        return file.getvalue()


@contextmanager
def styled() -> Iterator[None]:
    """Draw within our settings, whatever the caller's are.

    Letters that no font has are boxes, and names too long for a figure leave it, without a warning.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        for what in ("Glyph .* missing from font", "constrained_layout not applied"):
            warnings.filterwarnings("ignore", message=what)
        yield


def grid(panels: int, columns: int, width: float, height: float) -> tuple[Chart, list[Axes]]:
    """Return a figure of ``panels`` axes, each ``width`` by ``height`` inches, in so many columns at most."""
    columns = max(1, min(columns, panels))
    rows = -(-panels // columns)
    chart = Chart(figsize=(width * columns, height * rows), layout="constrained")
    chart.set_facecolor("white")
    axes = [chart.add_subplot(rows, columns, at + 1) for at in range(panels)]
    for one in axes:
        plain(one)
    return chart, axes


def plain(axes: Axes) -> None:
    """Take away what is no data: the frame above and at the right, loud grid lines."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.grid(visible=True, color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=8.5)


def log_ticks(low: float, high: float) -> list[float]:
    """Return places on a logarithmic axis: round numbers where the range is short, else powers of two."""
    if high < 4 * low:
        return [float(tick) for tick in MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(low, high) if tick > 0]
    first, last = math.floor(math.log2(low)), math.ceil(math.log2(high))
    step = math.ceil((last - first) / 7)
    return [2.0**power for power in range(first - first % step, last + 1, step)]


def logarithmic(axes: Axes, which: Literal["x", "y"], low: float, high: float, form: str = "{:g}") -> None:
    """Make one of the axes logarithmic over a range, which gets some room, and write its ticks in ``form``."""
    room = max(high / low, 1.02) ** 0.05
    ends = low / room, high * room
    ticks = [tick for tick in log_ticks(low, high) if ends[0] <= tick <= ends[1]]
    axes.set(**{f"{which}scale": "log", f"{which}lim": ends})
    axes.minorticks_off()
    axes.set(**{f"{which}ticks": ticks, f"{which}ticklabels": [form.format(tick) for tick in ticks]})
