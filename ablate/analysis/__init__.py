"""Each technique's effect on convergence: pure functions of arrays and tidy frames.

    from ablate.analysis import effects
    found = effects(frame, ["norm", "act"], ["val/acc", "steps_to_target"])
    print(*found.sentences(), sep="\\n")

It stands alone: numpy, pandas, scipy and statsmodels, and any frame with one row per run.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablate.analysis.contrasts import Contrast
    from ablate.analysis.crossed import cells
    from ablate.analysis.curves import bands, runs
    from ablate.analysis.divergence import Divergence
    from ablate.analysis.estimation import effects
    from ablate.analysis.evidence import Paired, Verdict
    from ablate.analysis.findings import Effects, Refusal
    from ablate.analysis.interactions import Interaction
    from ablate.analysis.measure import Metric, Scale
    from ablate.analysis.target import Target
    from ablate.analysis.variance import Share

__all__ = [
    "Contrast",
    "Divergence",
    "Effects",
    "Interaction",
    "Metric",
    "Paired",
    "Refusal",
    "Scale",
    "Share",
    "Target",
    "Verdict",
    "bands",
    "cells",
    "effects",
    "runs",
]

# Imported on first use: scipy and statsmodels take a second that the convergence of one run should not cost.
_HOMES = {
    "Contrast": "contrasts",
    "Divergence": "divergence",
    "Effects": "findings",
    "Interaction": "interactions",
    "Metric": "measure",
    "Paired": "evidence",
    "Refusal": "findings",
    "Scale": "measure",
    "Share": "variance",
    "Target": "target",
    "Verdict": "evidence",
    "bands": "curves",
    "cells": "crossed",
    "effects": "estimation",
    "runs": "curves",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"ablate.analysis.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ablate.analysis' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
