"""A study's end in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablate.analysis import Divergence
from ablate.analysis.evidence import Paired
from ablate.analysis.evidence import Verdict as Called
from ablate.analysis.measure import Scale
from ablate.analysis.wording import between, enough, margin, number
from ablate.analysis.words import counted, listed
from ablate.studies.arguments import text
from ablate.studies.definition import ARM, DIVERGED, Expect, Study
from ablate.sweep_facts import Tuned
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
_NAMES = {
    "area": "mean validation loss",
    "best": "of the best validation metric",
    "final": "of the final validation metric",
    "gap": "generalisation gap",
    "macs": "multiply-adds",
    "optimizer_state_bytes": "optimizer memory",
    DIVERGED: "diverged runs",
}
_COUNTED = ("steps_to_target", "parameters", "macs", DIVERGED)
NOTES = 2
"""So many remarks on the runs of a contrast are repeated."""


def conclusion(test: Paired, verdict: Verdict) -> str:
    """Return the difference with its interval, and why it leaves the claim open: ``0.52× [0.41, 0.70]``."""
    metric = test.metric
    told = f"{number(metric, test.estimate)}{_UNIT[metric.scale]}{between(test)} {metric.name}"
    if test.verdict is Called.unjudged:
        return f"{told}, from {counted(test.seeds, 'seed')}, too few for a verdict"
    if test.verdict is Called.inconclusive:
        return f"{told}: {test.withheld or enough(test)}"
    if test.verdict.effect and verdict is Verdict.inconclusive:
        return f"{told}: there is a difference, and that it is beyond {margin(metric)} is not shown"
    return told


def rests_on_equivalence(expect: Expect, verdict: Verdict) -> bool:
    """Return whether the verdict is by the equivalence tests, and not by those of a difference."""
    return verdict is (Verdict.supported if expect is Expect.same else Verdict.none)


def frequencies(one: Divergence) -> str:
    """Return how often two levels diverged."""
    return f"{one.diverged} of {one.runs} runs diverged against {one.baseline_diverged} of {one.baseline_runs}"


def headline_of(expect: Expect, verdict: Verdict, findings: Sequence[Finding]) -> str:
    """Return the verdict in full: where it holds only under a condition, which."""
    if verdict is Verdict.refuted and expect is Expect.same:
        return "refuted (the two differ)"  # which have no way round to be reversed
    if verdict is not Verdict.conditional:
        return str(verdict)
    here = [one.where for one in findings if one.verdict is Verdict.supported]
    others = {one.verdict for one in findings} - {Verdict.supported}
    told = listed(here) if len(here) < 3 else ", ".join(here)
    if Verdict.inconclusive not in others:
        return f"holds only when {told}"
    not_here = [one.where for one in findings if one.verdict in (Verdict.refuted, Verdict.none)]
    return f"holds when {told}, {f'not when {listed(not_here)}, ' if not_here else ''}open otherwise"


def reading_of(study: Study, findings: Sequence[Finding], limit: str) -> str:
    """Return what came out as a paragraph; ``limit`` is the margin in words."""
    assert study.compare is not None
    factor, level, against = study.compare
    sides = [text(one) if factor == ARM else f"{factor}={text(one)}" for one in (level, against)]
    words = _SAID_OF_SAME if study.expect is Expect.same else _SAID
    said = [f"Expected of {sides[0]} against {sides[1]}: {expected(study)}."]
    for one in findings:
        place = f"With {one.where}" if one.where else "Found"
        test = "equivalence " if rests_on_equivalence(study.expect, one.verdict) else ""
        tests = "" if one.p is None else f", {test}p {'< 0.0001' if one.p < 1e-4 else f'= {one.p:.2g}'}"
        seeds = f" ({counted(one.seeds, 'seed')}{tests})" if one.seeds else ""
        said.append(f"{place}: {one.difference}{seeds}; {words.get(one.verdict, str(one.verdict))}.")
        said += one.notes[:NOTES]
    if any(one.verdict is Verdict.none for one in findings) or study.expect is Expect.same:
        said.append(f"No effect means: less than {limit} either way, by an equivalence test.")
    return " ".join(said)


def tuning(arms: Sequence[Tuned]) -> list[str]:
    """Return what tuning gave each arm, and which of it a wider grid might better; a sentence each."""
    if not arms:
        return []
    chosen = [(_pairs(one.chosen) or "the defaults", _pairs(one.levels), one.at_edge) for one in arms]
    said = [f"Tuned on other seeds: {'; '.join(f'{values} with {arm}' for values, arm, _ in chosen)}."]
    if edge := [arm for _, arm, at_edge in chosen if at_edge]:
        said.append(f"At the edge of its grid with {listed(edge)}: a wider one may have a better value.")
    return said


def _pairs(levels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={level}" for key, level in levels.items())


def expected(study: Study) -> str:
    """Return what is expected of what is measured: ``fewer steps to target``, ``more test/acc``."""
    name = _NAMES.get(study.measure, study.measure.replace("_", " "))
    less, same = ("fewer", "as many") if study.measure in _COUNTED else ("less", "as much")
    return f"{({Expect.more: 'more', Expect.less: less, Expect.same: same})[study.expect]} {name}"
