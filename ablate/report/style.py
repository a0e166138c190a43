"""How text, numbers and levels look in the terminal."""

from __future__ import annotations

import math
from typing import Any

from rich.console import Console
from rich.text import Text

from ablate.facts import Status
from ablate.shapes import clean

WIDTH = 100

STYLES = {
    Status.finished: "green",
    Status.diverged: "yellow",
    Status.failed: "red",
    Status.interrupted: "yellow",
    Status.killed: "red",
    Status.running: "cyan",
    Status.missing: "yellow",
}


class _Console(Console):
    """Prints no sign that steers a terminal but its own: names of files may have some."""

    def render_str(self, text: str, **given: Any) -> Text:
        """Return the text with its colours."""
        return super().render_str(clean(text), **given)


def console() -> Console:
    """Return a console on standard output: at most 100 columns, colours only in a terminal; in a notebook, lines of
    one text, where rich would make a display of its own of each.
    """
    plain = _Console(highlight=False, force_jupyter=False)
    narrow = plain.is_terminal and plain.width <= WIDTH
    return plain if narrow else _Console(highlight=False, force_jupyter=False, width=WIDTH)


def level_text(level: object) -> str:
    """Return a level as on the command line."""
    if str(level) in ("True", "False"):  # numpy's booleans too
        return str(level).lower()
    missing = level is None or (isinstance(level, float) and math.isnan(level))  # which is pandas' None in numbers
    return "–" if missing else str(level).replace(" ", "")


def number_text(value: object, digits: int = 4) -> str:
    """Return a number with ``digits`` decimals, a dash for none."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}"


def clock_text(seconds: float) -> str:
    """Return a time as on a clock: 0:07, 12:30, 1:00:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count_text(value: object) -> str:
    """Return a whole number with its thousands apart, a dash for none."""
    return f"{value:,.0f}" if isinstance(value, int | float) and math.isfinite(value) else "–"


def bytes_text(value: object) -> str:
    """Return a number of bytes in the largest unit that it fills, a dash for none."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    power = next((p for p in (3, 2, 1) if value >= 1000**p), 0)
    return f"{value / 1000**power:.{1 if power else 0}f} {('B', 'kB', 'MB', 'GB')[power]}"


def duration_text(seconds: float) -> str:
    """Return a duration in its two largest units: ``40 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    left = round(seconds)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        parts.append(f"{count} {unit}" if count else "")
    first = next((index for index, part in enumerate(parts) if part), len(parts) - 1)
    return " ".join(part for part in parts[first : first + 2] if part) or "0 s"


def one_line(text: str | None) -> str:
    """Return the first line of an error."""
    lines = (text or "").strip().splitlines()
    return lines[0] if lines else "no message"
