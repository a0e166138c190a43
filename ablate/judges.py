"""By which metric a run is judged, and what values it can have."""

from __future__ import annotations

import math
from typing import NamedTuple

from ablate.tasks import Task


class Judge(NamedTuple):
    """The validation metric that a task is judged by."""

    metric: str
    higher_is_better: bool


JUDGES = {
    Task.classification: Judge("acc", True),
    Task.regression: Judge("r2", True),
    Task.segmentation: Judge("miou", True),
    Task.embedding: Judge("recall_at_1", True),
    Task.generation: Judge("mmd", False),
}


RANGES = {
    "acc": (0.0, 1.0),
    "r2": (-math.inf, 1.0),
    "miou": (0.0, 1.0),
    "recall_at_1": (0.0, 1.0),
    "mmd": (0.0, math.inf),
}
"""The least and the greatest value of each metric that runs are judged by."""
