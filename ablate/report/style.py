"""How text, numbers and levels look in the terminal."""

from __future__ import annotations

import math

from rich.console import Console

WIDTH = 100


def console() -> Console:
    """Return a console on standard output: at most 100 columns, colours only in a terminal."""
    plain = Console(highlight=False)
    return plain if plain.is_terminal and plain.width <= WIDTH else Console(highlight=False, width=WIDTH)


def level_text(level: object) -> str:
    """Return a level as on the command line."""
    if str(level) in ("True", "False"):  # numpy's booleans too
        return str(level).lower()
    return "–" if level is None else str(level).replace(" ", "")


def number_text(value: object, digits: int = 4) -> str:
    """Return a number with ``digits`` decimals, a dash for none."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}"
