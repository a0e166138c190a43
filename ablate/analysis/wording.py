"""Numbers and levels in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ablate.analysis.inference import SMOKE, Paired, Verdict
from ablate.analysis.measure import Metric, Scale
from ablate.analysis.table import label

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


def difference(one: Paired) -> str:
    """Return the estimate with its interval: ``0.52× the steps to target [0.45, 0.62]``."""
    metric = one.metric
    between = (
        "" if one.low is None or one.high is None else f" [{_number(metric, one.low)}, {_number(metric, one.high)}]"
    )
    if metric.scale is Scale.ratio:
        return f"{_number(metric, one.estimate)}× the {metric.name}{between}"
    return f"{_number(metric, one.estimate)}{_UNIT.get(metric.scale, '')} of {metric.name}{between}"


def conclusion(one: Paired) -> str:
    """Return the verdict and what it stands on, in words."""
    tests = f"{counted(one.seeds, 'seed')}"
    if one.p_holm is not None and one.p_flip_holm is not None:
        tests += f"; {probability('t test', one.p_holm)}, {probability('sign flips', one.p_flip_holm)}"
        tests += f", Holm over {counted(one.family, 'contrast')}" if one.family > 1 else ""
    if one.seeds == 1:
        return f"one seed: no interval and no verdict; {MORE_SEEDS}"
    if one.verdict is Verdict.unjudged:
        return f"{one.seeds} seeds are a smoke test: no verdict below {SMOKE}; {MORE_SEEDS}"
    if one.verdict is Verdict.none:
        if one.constant:
            return f"no effect: the same in every seed ({tests})"
        equal = "" if one.p_equivalent_holm is None else f"; {probability('equivalence', one.p_equivalent_holm)}"
        return f"no effect beyond {margin(one.metric)} ({tests}{equal})"
    if one.verdict is Verdict.inconclusive:
        return f"inconclusive ({tests}); {enough(one)}"
    return f"{one.verdict} ({tests})"


def enough(one: Paired) -> str:
    """Return how many seeds would decide an inconclusive contrast."""
    if one.seeds_needed is None:
        return "more than 10000 seeds would be needed to decide it"
    stated = one.metric.margin is not None
    what = f"a difference of {margin(one.metric)}" if stated else "a difference as large as it looks"
    return f"about {one.seeds_needed} seeds would decide it ({what}, power 0.8)"


def margin(metric: Metric) -> str:
    """Return the margin: ``1 point``, ``a factor of 1.1``."""
    size = metric.margin or 0.0
    if metric.scale is Scale.ratio:
        return f"a factor of {size:g}"
    return counted(size, "point") if metric.scale is Scale.points else f"{size:g}"


def probability(test: str, p: float) -> str:
    """Return ``t test p = 0.012``."""
    return f"{test} p {'< 0.0001' if p < 1e-4 else f'= {p:.2g}'}"


def counted(number: float, noun: str) -> str:
    """Return ``1 seed``, ``3 seeds``."""
    return f"{number:g} {noun}" if number == 1 else f"{number:g} {noun}s"


def listed(names: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _number(metric: Metric, value: float) -> str:
    if metric.scale is Scale.ratio:
        return f"{value:.2f}" if value < 100 else f"{value:.3g}"
    if metric.scale is Scale.points:
        return f"{value:+.1f}" if abs(value) >= 1 else f"{value:+.2f}"
    return f"{value:+.3g}"
