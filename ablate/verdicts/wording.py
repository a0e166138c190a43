"""A study's end in words."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.analysis import Divergence
from ablate.analysis.evidence import Paired
from ablate.analysis.evidence import Verdict as Called
from ablate.analysis.measure import Scale
from ablate.analysis.wording import between, counted, enough, listed, number
from ablate.studies.arguments import text
from ablate.studies.definition import ARM, Expect, Study
from ablate.verdicts.outcome import Finding, Verdict

_UNIT = {Scale.points: " points", Scale.ratio: "×", Scale.plain: ""}
_SAID = {
    Verdict.supported: "the claim is supported",
    Verdict.refuted: "it is the other way round",
    Verdict.none: "there is no effect that matters",
    Verdict.inconclusive: "it stays open",
}
_SAID_OF_SAME = {
    Verdict.supported: "the two are the same, as far as it matters",
    Verdict.refuted: "the two differ",
    Verdict.inconclusive: "it stays open",
}
NOTES = 2
"""So many remarks on the runs of a contrast are repeated."""


def conclusion(test: Paired) -> str:
    """Return the difference with its interval, and what tells that it is one: ``0.52× [0.41, 0.70]``."""
    metric = test.metric
    told = f"{number(metric, test.estimate)}{_UNIT[metric.scale]}{between(test)} {metric.name}"
    if test.verdict is Called.unjudged:
        return f"{told}, from {counted(test.seeds, 'seed')}, too few for a verdict"
    if test.verdict is Called.inconclusive:
        return f"{told}: {test.withheld or enough(test)}"
    return told


def frequencies(one: Divergence) -> str:
    """Return how often two levels diverged."""
    return f"{one.diverged} of {one.runs} runs diverged against {one.baseline_diverged} of {one.baseline_runs}"


def headline_of(verdict: Verdict, findings: Sequence[Finding]) -> str:
    """Return the verdict in full: where it holds only under a condition, which."""
    if verdict is not Verdict.conditional:
        return str(verdict)
    here = [one.where for one in findings if one.verdict is Verdict.supported]
    others = {one.verdict for one in findings} - {Verdict.supported}
    told = listed(here) if len(here) < 3 else ", ".join(here)
    return f"holds when {told}, open otherwise" if others == {Verdict.inconclusive} else f"holds only when {told}"


def reading_of(study: Study, findings: Sequence[Finding], limit: str) -> str:
    """Return what came out as a paragraph; ``limit`` is the margin in words."""
    assert study.compare is not None
    factor, level, against = study.compare
    sides = [text(one) if factor == ARM else f"{factor}={text(one)}" for one in (level, against)]
    expected = {Expect.more: "more", Expect.less: "less", Expect.same: "as much"}[study.expect]
    words = _SAID_OF_SAME if study.expect is Expect.same else _SAID
    said = [f"Expected of {sides[0]} against {sides[1]}: {expected} {measure(study)}."]
    for one in findings:
        place = f"With {one.where}" if one.where else "Found"
        tests = f", p {'< 0.0001' if one.p < 1e-4 else f'= {one.p:.2g}'}" if one.p is not None else ""
        seeds = f" ({counted(one.seeds, 'seed')}{tests})" if one.seeds else ""
        said.append(f"{place}: {one.difference}{seeds}; {words.get(one.verdict, str(one.verdict))}.")
        said += one.notes[:NOTES] if len(findings) == 1 else []
    if any(one.verdict is Verdict.none for one in findings) or study.expect is Expect.same:
        said.append(f"No effect means: less than {limit} either way, by an equivalence test.")
    return " ".join(said)


def measure(study: Study) -> str:
    """Return what is measured, in words."""
    names = {
        "steps_to_target": "steps to target",
        "area": "mean validation loss",
        "best": "of the best validation metric",
    }
    return names.get(study.measure, study.measure.replace("_", " "))
