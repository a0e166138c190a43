"""The verdict on a study's claim: its contrast, tested as all effects are, and what the claim expected of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from ablate import analysis
from ablate.analysis import Contrast, Divergence
from ablate.analysis.evidence import Paired
from ablate.analysis.evidence import Verdict as Called
from ablate.analysis.table import is_absent, label
from ablate.analysis.wording import margin, setting
from ablate.errors import ConfigError
from ablate.results import Sweep
from ablate.studies.arguments import arm_of, same, text
from ablate.studies.definition import ARM, DIVERGED, Expect, Study
from ablate.verdicts.measure import metric_of
from ablate.verdicts.outcome import Finding, Outcome, Verdict
from ablate.verdicts.wording import conclusion, frequencies, headline_of, reading_of, rests_on_equivalence, tuning

ARMS = "arm of the study"
"""The column of the frame that has them: ``arm`` is what a sweep calls each of its own."""
UNPAIRED = "no two runs can be compared"


def judge(study: Study, sweep: Sweep) -> Outcome:
    """Return how the claim came out in the runs of a sweep; raise ``ConfigError`` where they do not hold the contrast.

    A difference that both tests call, after Holm over the levels of the condition, and that is not shown to be smaller
    than the margin, supports the claim or reverses it, by its sign; one that is shown to be smaller is no effect. That
    two things are the same takes the latter, and a difference beyond the margin to be refuted.
    """
    assert study.compare is not None
    frame = compared(study, sweep.frame())
    factor, condition = column(study.compare[0]), column(study.condition)
    frame = at_every_level(frame, condition)
    factors = [factor, *([condition] if condition else [])]
    findings = (
        _diverged(study, frame, factors) if study.measure == DIVERGED else _measured(study, sweep, frame, factors)
    )
    findings = [plain(one) for one in findings]
    limit = "" if study.measure == DIVERGED else margin(metric_of(sweep, study.measure, study.margin))
    verdict = combined([one.verdict for one in findings])
    records = sweep.records
    return Outcome(
        study=study.name,
        digest=study.digest,
        verdict=verdict,
        headline=headline_of(study.expect, verdict, findings),
        reading=" ".join([reading_of(study, findings, limit), *tuning(sweep.facts.tuned)]),
        findings=findings,
        seeds=sorted({record.facts.seed for record in records}),
        runs=len(records),
        seconds=round(sum(record.facts.seconds or 0.0 for record in records), 1),
    )


def column(factor: str | None) -> str:
    """Return the column of the frame that has the levels of a factor; nothing for none."""
    return ARMS if factor == ARM else factor or ""


def compared(study: Study, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of the two levels that are compared, the baseline first, averaged over nothing."""
    assert study.compare is not None
    factor, *levels = study.compare
    frame = with_arms(study, frame)
    name = column(factor)
    if name not in frame:
        raise ConfigError(f"study={study.name}: {factor} is compared, and has one level only. Leave it as it is.")
    parts = []
    for level in reversed(levels):
        own = frame[[same(label(value), text(level)) for value in frame[name]]]
        if own.empty:
            raise ConfigError(f"study={study.name}: {factor}={text(level)} is compared, and no run has it.")
        parts.append(own)
    return pd.concat(parts, ignore_index=True)


def at_every_level(frame: pd.DataFrame, condition: str) -> pd.DataFrame:
    """Return runs or curves in which those for which the condition has no meaning stand at each of its levels.

    A run without a penalty has no weight of the penalty: it is what each weight is compared with.
    """
    if not condition or not (absent := frame[condition].map(is_absent)).any():
        return frame
    levels = list(dict.fromkeys(frame.loc[~absent, condition]))
    stands = pd.Series(
        [levels if gone else [level] for level, gone in zip(frame[condition], absent, strict=True)], index=frame.index
    )
    return frame.assign(**{condition: stands}).explode(condition, ignore_index=True).infer_objects()


def with_arms(study: Study, frame: pd.DataFrame) -> pd.DataFrame:
    """Return runs or curves with the arm of the study that each row belongs to."""
    if not study.arms:
        return frame
    keys = [key for key in dict.fromkeys(key for arm in study.arms.values() for key in arm) if key in frame]
    told = {levels: arm_of(study, _told(keys, levels)) for levels in set(map(tuple, frame[keys].map(_key).to_numpy()))}
    found = frame.copy()
    found[ARMS] = [told[tuple(row)] for row in frame[keys].map(_key).to_numpy()]
    return found


def _key(value: Any) -> str | None:
    return None if is_absent(value) else label(value)


def _told(keys: Sequence[str], levels: Sequence[str | None]) -> Mapping[str, str | None]:
    return dict(zip(keys, levels, strict=True))


def _places(frame: pd.DataFrame, factors: Sequence[str]) -> list[str]:
    """Return the levels of the condition, ``opt.lr=0.1``; an empty one where there is none."""
    return [setting(factors[1], level) for level in dict.fromkeys(frame[factors[1]])] if len(factors) > 1 else [""]


def _measured(study: Study, sweep: Sweep, frame: pd.DataFrame, factors: Sequence[str]) -> list[Finding]:
    metric = metric_of(sweep, study.measure, study.margin)
    if metric.column not in frame:
        raise ConfigError(f"study={study.name}: no run has {metric.column}, which it measures.")
    found = analysis.effects(frame, factors, metric, by=factors[1] if len(factors) > 1 else None)
    tested = {one.where: one for one in (finding(study.expect, one) for one in found.contrasts)}
    refused = [(name, one.why) for one in found.refused for name in one.effects]
    places = _places(frame, factors)
    whys = {place: next((why for name, why in refused if name.endswith(place)), UNPAIRED) for place in places}
    return [tested.get(place, Finding(place, Verdict.inconclusive, why)) for place, why in whys.items()]


def finding(expect: Expect, one: Contrast) -> Finding:
    """Return what a contrast says of the claim, in the unit of its measure and in words."""
    test = one.test
    verdict = called(expect, test)
    tests = (test.p_holm, test.p_flip_holm)
    if rests_on_equivalence(expect, verdict):
        tests = (test.p_equivalent_holm, test.p_equivalent_flip_holm)
    return Finding(
        where=setting(*one.within) if one.within else "",
        verdict=verdict,
        difference=conclusion(test, verdict),
        estimate=test.estimate,
        low=test.low,
        high=test.high,
        seeds=test.seeds,
        p=max((p for p in tests if p is not None), default=None),
        notes=list(one.notes),
    )


def called(expect: Expect, test: Paired) -> Verdict:
    """Return what a contrast says of the claim.

    That two things are the same, as far as it matters, is refuted by a difference that is shown to matter: one whose
    whole interval lies beyond the margin. A smaller one that is there, but not shown to be small, leaves it open.
    """
    if test.verdict is Called.none or (test.verdict.effect and test.equivalent):
        return Verdict.supported if expect is Expect.same else Verdict.none
    if not test.verdict.effect:
        return Verdict.inconclusive
    if expect is Expect.same:
        return Verdict.refuted if _matters(test) else Verdict.inconclusive
    return Verdict.supported if (test.mean > 0) is (expect is Expect.more) else Verdict.refuted


def _matters(test: Paired) -> bool:
    """Return whether the whole interval of a difference lies beyond the margin, on one side of it."""
    assert test.interval is not None
    assert test.metric.bound is not None
    low, high = test.interval
    return low > test.metric.bound or high < -test.metric.bound


def _diverged(study: Study, frame: pd.DataFrame, factors: Sequence[str]) -> list[Finding]:
    """Return how often the runs of the two levels diverged: an exact test of the seeds in which they differ."""
    found = analysis.effects(frame, factors, "area", by=factors[1] if len(factors) > 1 else None)
    tested = {one.where: one for one in (frequency(study, one) for one in found.divergences)}
    none = {place: Finding(place, Verdict.inconclusive, "no run diverged") for place in _places(frame, factors)}
    return [*(none | tested).values()]


def frequency(study: Study, one: Divergence) -> Finding:
    """Return what the runs that diverged say of the claim."""
    verdict = Verdict.inconclusive
    if one.differs:
        more = one.discordant[0] > one.discordant[1]
        verdict = Verdict.supported if more is (study.expect is Expect.more) else Verdict.refuted
    share = 100 * (one.diverged / one.runs - one.baseline_diverged / one.baseline_runs)
    where = setting(*one.within) if one.within else ""
    return Finding(where, verdict, frequencies(one), estimate=share, seeds=one.runs, p=one.p_holm)


def plain(one: Finding) -> Finding:
    """Return it with the study's arms called by their names alone."""
    where, difference, *notes = (text.replace(f"{ARMS}=", "") for text in (one.where, one.difference, *one.notes))
    return replace(one, where=where, difference=difference, notes=notes)


def combined(found: Sequence[Verdict]) -> Verdict:
    """Return the verdict on a claim from those within each level of its condition.

    It holds in all, or in some only. Where it holds nowhere it is refuted if it is reversed somewhere and nothing is
    open; what is open anywhere leaves it open.
    """
    kinds = set(found)
    if len(kinds) == 1:
        return found[0]
    if Verdict.supported in kinds:
        return Verdict.conditional
    return Verdict.inconclusive if Verdict.inconclusive in kinds else Verdict.refuted
