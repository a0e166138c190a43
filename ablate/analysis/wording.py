"""Numbers and levels in words."""

from __future__ import annotations

import re
from typing import Any

from ablate.analysis.evidence import Estimate, Paired, Verdict
from ablate.analysis.inference import SMOKE
from ablate.analysis.measure import Metric, Scale
from ablate.analysis.power import POWER, SEEDS_LIMIT
from ablate.analysis.reach import flips_needed
from ablate.analysis.table import label
from ablate.analysis.words import counted

_SPEAKS = re.compile(r"[a-z][a-z_]*[0-9]*", re.IGNORECASE)
_MUTE = {"none", "null", "true", "false", "auto", "all"}
_UNIT = {Scale.points: " points"}
MORE_SEEDS = 'add seeds, for example "seed=range(0,10)"'


def setting(factor: str, level: Any) -> str:
    """Return ``norm=bn``."""
    return f"{factor}={label(level)}"


def short(factor: str, level: Any) -> str:
    """Return ``bn`` where the level speaks for itself, else ``norm=none`` or ``opt.lr=0.1``."""
    text = label(level)
    return text if _SPEAKS.fullmatch(text) and text not in _MUTE else setting(factor, level)


def difference(one: Estimate) -> str:
    """Return the estimate with its interval: ``0.52× the steps to target [0.45, 0.62]``."""
    metric = one.metric
    if metric.scale is Scale.ratio:
        return f"{number(metric, one.estimate)}× the {metric.name}{between(one)}"
    return f"{number(metric, one.estimate)}{_UNIT.get(metric.scale, '')} of {metric.name}{between(one)}"


def estimate(one: Estimate) -> str:
    """Return the estimate in its unit: ``0.52×`` or, in points, ``+1.3 pt``."""
    unit = {Scale.ratio: "×", Scale.points: " pt"}.get(one.metric.scale, "")
    return f"{number(one.metric, one.estimate)}{unit}"


def between(one: Estimate) -> str:
    """Return the interval with a space before it, or nothing."""
    if one.low is None or one.high is None:
        return ""
    return f" [{number(one.metric, one.low)}, {number(one.metric, one.high)}]"


def apart(one: Paired, here: Paired, there: Paired) -> str:
    """Return how two effects differ: ``+6.1 against +1.2 points of val/acc, +4.9 apart [4.5, 5.3]``."""
    metric = one.metric
    a, b, c = (number(metric, each.estimate) for each in (here, there, one))
    if metric.scale is Scale.ratio:
        return f"{a}× against {b}× the {metric.name}, a factor of {c} apart{between(one)}"
    return f"{a} against {b}{_UNIT.get(metric.scale, '')} of {metric.name}, {c} apart{between(one)}"


def conclusion(one: Paired, found: str | None = None, noun: str = "effect") -> str:
    """Return the verdict and what it stands on, in words; ``found`` instead of the verdict where there is one."""
    if one.seeds == 1:
        return f"one seed: no interval and no verdict; {MORE_SEEDS}"
    if one.verdict is Verdict.unjudged:
        return f"{one.seeds} seeds are a smoke test: no verdict below {SMOKE}; {MORE_SEEDS}"
    tests = counted(one.seeds, "seed")
    if one.p_holm is not None and one.p_flip_holm is not None:
        tests += f"; {probability('t test', one.p_holm)}, {probability('sign flips', one.p_flip_holm)}"
        tests += f", Holm over {counted(one.family, 'contrast')}" if one.family > 1 else ""
    if one.verdict is Verdict.none:
        if one.constant and not one.mean:
            return f"no {noun}: the same in every seed ({tests})"
        equivalence = max(one.p_equivalent_holm or 0.0, one.p_equivalent_flip_holm or 0.0)
        return f"no {noun} beyond {margin(one.metric)} ({tests}; {probability('equivalence', equivalence)})"
    if one.withheld:
        return f"{one.verdict}: {one.withheld} ({tests})"
    if one.verdict is Verdict.inconclusive:
        return f"inconclusive ({tests}); {enough(one)}"
    small = f", by less than {margin(one.metric)}" if one.equivalent else ""
    return f"{found or one.verdict}{small} ({tests})"


def verdict(one: Paired) -> str:
    """Return the verdict as labels have it; an equivalence by its margin: ``within 1 point``, ``within 10 %``."""
    if one.verdict is not Verdict.none:
        return str(one.verdict)
    if one.metric.margin is None:
        return "the same"
    if one.metric.scale is Scale.ratio:
        return f"within {100 * (one.metric.margin - 1):.3g} %"
    return f"within {margin(one.metric)}"


def enough(one: Paired) -> str:
    """Return how many seeds would decide an inconclusive contrast, or what else would tell more."""
    alpha = 1 - one.confidence
    short_of = ""
    if one.seeds < flips_needed(alpha / one.family):
        over = f" over {counted(one.family, 'contrast')}" if one.family > 1 else ""
        short_of = f"with {one.seeds} seeds sign flips cannot reach {alpha:.2g}{over}; "
    if one.cut or one.coarse:
        why = ["some runs end at the budget, so a larger one or an easier target would tell more"] * one.cut
        why += ["times lie between two validations, so more of them (trainer.validations) would tell more"] * one.coarse
        return short_of + "; ".join(why)
    if one.metric.bound is None:
        return f"{short_of}without a margin no number of seeds would show that there is none"
    if one.seeds_needed is None:
        return f"{short_of}more than {SEEDS_LIMIT} seeds would be needed to decide it"
    size = "" if one.needed_for is None else f" for {amount(one.metric, one.metric.in_unit(one.needed_for))}"
    return f"{short_of}about {one.seeds_needed} seeds would decide it (power {POWER}{size})"


def margin(metric: Metric) -> str:
    """Return the margin: ``1 point``, ``a factor of 1.1``."""
    return amount(metric, metric.margin or 0.0)


def amount(metric: Metric, size: float) -> str:
    """Return a size in the unit of the metric: ``1 point``, ``a factor of 1.1``, ``0.03``."""
    if metric.scale is Scale.ratio:
        return f"a factor of {size:.3g}"
    return counted(float(f"{size:.3g}"), "point") if metric.scale is Scale.points else f"{size:.3g}"


def probability(test: str, p: float) -> str:
    """Return ``t test p = 0.012``."""
    return f"{test} p {'< 0.0001' if p < 1e-4 else f'= {p:.2g}'}"


def number(metric: Metric, value: float) -> str:
    """Return a value in the unit of the metric; differences with their sign."""
    if metric.scale is Scale.ratio:
        return f"{value:.2f}" if 0.01 <= value < 100 else f"{value:.3g}"
    if metric.scale is Scale.points:
        return f"{value:+.1f}" if abs(value) >= 1 else f"{value:+.2f}"
    return f"{value:+.3g}"
