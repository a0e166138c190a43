"""The examination: every item, from the data to the training."""

from __future__ import annotations

from collections.abc import Iterator

from ablate.config import Config
from ablate.doctor import data, gradients, learning, output, units
from ablate.doctor.case import Case
from ablate.doctor.finding import Check, Finding

CHECKS: tuple[Check, ...] = (
    data.inputs,
    data.split,
    data.duplicates,
    data.batch_size,
    output.reach,
    output.loss_fits,
    output.first_loss,
    gradients.is_right,
    gradients.arrives,
    units.at_start,
    learning.ten_examples,
    learning.learning_rate,
    gradients.all_move,
    units.after_steps,
    learning.labels,
)


def examine(config: Config) -> Iterator[Finding]:
    """Yield what each item finds that applies to the run of ``config``; raise ``ConfigError`` where it has no network.

    Nothing is written, and the caller's random state stays as it was.
    """
    case = Case(config)
    case.fresh()
    for check in CHECKS:
        if (finding := check(case)) is not None:
            yield finding
