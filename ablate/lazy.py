"""Large libraries, imported when they are first used.

Plugin files are read for ``--help``, completion and listings, none of which needs torch, and importing it takes over a
second. A sweep trains before anybody asks for its statistics, and few are fractions: with pandas, scipy and pyDOE3 it
would begin a second and a half later. ``from ablate.lazy import torch`` gives a name that imports torch on first
attribute access. It leaves no trace in ``sys.modules`` before that, unlike ``importlib.util.LazyLoader``: numeric
libraries look there to decide whether torch is in use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


class LazyModule:
    """Stand-in for a module: the first attribute access imports it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)

    def __repr__(self) -> str:
        return f"<lazy module {self._name!r}>"


if TYPE_CHECKING:
    import pandas as pandas
    import pyDOE3 as pyDOE3
    import torch as torch
    from scipy import stats as stats
else:
    pandas = LazyModule("pandas")
    pyDOE3 = LazyModule("pyDOE3")  # noqa: N816
    stats = LazyModule("scipy.stats")
    torch = LazyModule("torch")
