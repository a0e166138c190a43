"""What one item of the examination found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ablate.doctor.case import Case


class Verdict(Enum):
    """How an item ends."""

    passed = "pass"
    warning = "warn"
    failed = "fail"


@dataclass(frozen=True)
class Finding:
    """One item: what was looked at, the figure, and the override that would mend it."""

    item: str
    looked_at: str
    verdict: Verdict
    figure: str
    way_out: str = ""


Check = Callable[["Case"], Finding | None]
"""Looks at a case; None where the item does not apply to it."""


def judged(item: str, looked_at: str, figure: str, *, warn: bool = False, fail: bool = False, way: str = "") -> Finding:
    """Return a finding: failed, else a warning, else passed; the way out where it is wanted."""
    verdict = Verdict.failed if fail else Verdict.warning if warn else Verdict.passed
    return Finding(item, looked_at, verdict, figure, way if warn or fail else "")
