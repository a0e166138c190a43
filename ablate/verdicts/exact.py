"""The verdict on an exact property: its check is called, and nothing is trained."""

from __future__ import annotations

import time

from ablate.errors import ConfigError
from ablate.exact import Checked
from ablate.registry import registry
from ablate.studies.definition import Study
from ablate.verdicts.outcome import Finding, Outcome, Verdict


def check(study: Study) -> Outcome:
    """Return what the study's check finds; raise ``ConfigError`` where it does not take what it is given."""
    began = time.perf_counter()
    try:
        found = registry().check(study.check)(**study.given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"study {study.name}: the check {study.check} says: {error}.") from error
    if not isinstance(found, Checked):
        raise ConfigError(f"study {study.name}: the check {study.check} returns {type(found).__name__}, not Checked.")
    verdict = Verdict.holds if found.holds else Verdict.fails
    deviation = f"Measured {found.measured:.3g}, allowed at most {found.bound:.3g}"
    return Outcome(
        study=study.name,
        digest=study.digest,
        verdict=verdict,
        headline=str(verdict),
        reading=f"{found.reading.rstrip('.')}. {deviation}.",
        findings=[Finding("", verdict, deviation, estimate=found.measured, high=found.bound)],
        seconds=round(time.perf_counter() - began, 2),
    )
