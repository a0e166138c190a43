"""Where somebody's class is from: its name, what it says of itself, and the distribution that it belongs to."""

from __future__ import annotations

import functools
import inspect
import re
from importlib import metadata
from typing import Any


def name_of(target: Any) -> str:
    """Return the name of a class or function, through ``functools.partial`` too."""
    return str(getattr(getattr(target, "func", target), "__name__", target))


def doc_of(target: Any) -> str:
    """Return the first sentence of the docstring, and where the class is from."""
    target = getattr(target, "func", target)
    own = vars(target).get("__doc__") if isinstance(target, type) else target.__doc__  # a base's says nothing of it
    first = " ".join(inspect.cleandoc(own or "").split("\n\n", 1)[0].split()).split(". ")[0]
    plain = re.sub(r":\w+:`~?([^`]*)`", r"\1", first).rstrip(".")
    place = f"{target.__module__}.{name_of(target)}"
    found = distribution_of(target)
    return f"{plain or name_of(target)}.\n\nFrom {place}{f' ({found[0]} {found[1]})' if found else ''}."


def distribution_of(target: Any) -> tuple[str, str] | None:
    """Return name and version of the distribution that a class is from, None for one that is in no distribution."""
    module = getattr(getattr(target, "func", target), "__module__", None) or ""
    return _distribution(module.partition(".")[0])


@functools.cache
def _distribution(package: str) -> tuple[str, str] | None:
    if package in ("", "__main__", "ablate"):  # plugin files are modules of ours
        return None
    try:
        found = metadata.distribution(package)
    except metadata.PackageNotFoundError:  # most are called like their package, the others cost a look at all
        names = metadata.packages_distributions().get(package)
        if not names:
            return None
        found = metadata.distribution(names[0])
    return found.name, found.version
