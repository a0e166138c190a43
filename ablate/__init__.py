"""What does this technique do to convergence?

    python -m ablate -m norm=bn,none opt=sgd,adam seed=0,1,2,3,4

The same machinery in Python: ``compose`` a configuration, ``build`` its untrained module, ``run`` it, ``sweep``
many. Plugin authors derive from a kind in ``ablate.techniques`` and implement the hook with ``hookimpl``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ablate.errors import AblateError

if TYPE_CHECKING:
    from ablate.assembly import build
    from ablate.composition import compose
    from ablate.config import Config
    from ablate.hookspecs import hookimpl
    from ablate.record import Record
    from ablate.registry import load_plugin, register, technique
    from ablate.results import Sweep
    from ablate.sweeps.execute import sweep
    from ablate.training.run import run

__all__ = [
    "AblateError",
    "Config",
    "Record",
    "Sweep",
    "build",
    "compose",
    "hookimpl",
    "load_plugin",
    "register",
    "run",
    "sweep",
    "technique",
]

# Imported on first use: torch and lightning take seconds that listings and --help should not cost.
_HOMES = {
    "Config": "ablate.config",
    "Record": "ablate.record",
    "Sweep": "ablate.results",
    "build": "ablate.assembly",
    "compose": "ablate.composition",
    "hookimpl": "ablate.hookspecs",
    "load_plugin": "ablate.registry",
    "register": "ablate.registry",
    "run": "ablate.training.run",
    "sweep": "ablate.sweeps.execute",
    "technique": "ablate.registry",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ablate' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
