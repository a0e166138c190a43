"""The effects in the terminal: a row for each contrast and metric, what interacts, whose variance it is."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from ablate.analysis import Contrast, Effects, Interaction, Share, Verdict
from ablate.analysis.evidence import Estimate, Paired
from ablate.analysis.reach import too_few
from ablate.analysis.table import label
from ablate.analysis.variance import OVERLAP, overlapping
from ablate.analysis.wording import between, estimate, setting
from ablate.analysis.wording import verdict as verdict_label
from ablate.analysis.words import listed

_STYLES = {
    Verdict.faster: "green",
    Verdict.better: "green",
    Verdict.slower: "red",
    Verdict.worse: "red",
    Verdict.none: "cyan",
}
_STRONGEST = 3
"""So many interactions are told, those with the least p first."""


def effects_told(found: Effects) -> list[Table | str]:
    """Return the table of contrasts, the interactions that were found, the shares of variance, and the notes."""
    told: list[Table | str] = []
    if found.contrasts:
        told.append(contrasts_table(found.contrasts))
    told += censoring(found.contrasts)
    told += [escape(f"{one.reading()} ({one.metric.name}).") for one in strongest(found.interactions)]
    called = sum(one.test.verdict.effect for one in found.interactions)
    if called > _STRONGEST:
        told.append(f"{_STRONGEST} of {called} interactions are shown; the report has all.")
    told += shares(found.shares)
    told += [escape(one.sentence()) for one in found.divergences if one.differs]
    told += [escape(one.sentence()) for one in found.refused]
    if seeds := sorted({one.test.seeds for one in found.contrasts if one.test.interval}):
        told.append(f"Paired by seed: {' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} of them.")
    told += powerless(found.contrasts)
    if any(one.test.verdict is Verdict.inconclusive and one.test.seeds_needed for one in found.contrasts):
        told.append("In brackets: how many seeds would probably decide it.")
    told += [escape(note) for note in found.notes]
    return told


def censoring(contrasts: Sequence[Contrast]) -> list[str]:
    """Return a line on which way the effects would go if all runs had gone on until they reached the target."""
    groups: dict[str, list[str]] = {"higher": [], "lower": [], "higher or lower": []}
    for one in contrasts:
        here, there = one.side.censored, one.baseline_side.censored
        if here and there:
            groups["higher or lower"].append(one.name)
        elif here or there:
            groups["higher" if here else "lower"].append(one.name)
    said = "; ".join(f"{how} of {listed(names)}" for how, names in groups.items() if names)
    return (
        [escape(f"Not all runs reached the target; if they had, the ratio of steps would be {said}.")] if said else []
    )


def powerless(contrasts: Sequence[Contrast]) -> list[str]:
    """Return a line where no difference, however large, could have been called an effect with so many seeds."""
    metrics: dict[str, list[Contrast]] = {}
    for one in contrasts:
        metrics.setdefault(one.metric.column, []).append(one)
    said = (
        too_few(max(one.test.seeds for one in family), family[0].test.family, family[0].test.confidence)
        for family in metrics.values()
        if any(one.test.interval for one in family)
    )
    return list(dict.fromkeys(sentence for sentence in said if sentence))


def contrasts_table(contrasts: Sequence[Contrast]) -> Table:
    """Return one row per contrast and metric: the paired difference with its interval, and the verdict."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for head in ("effect", "on", "difference", "verdict"):
        table.add_column(head, overflow="fold", justify="right" if head == "difference" else "left")
    order = list(dict.fromkeys(one.name for one in contrasts))
    last = ""
    for one in sorted(contrasts, key=lambda one: order.index(one.name)):
        named = f"{setting(one.factor, one.level)} against {label(one.baseline)}"
        within = f" with {setting(*one.within)}" if one.within else ""
        name = "" if one.name == last else escape(named + within)
        last = one.name
        table.add_row(name, escape(one.metric.name), difference(one.test), verdict(one.test))
    return table


def difference(test: Estimate) -> str:
    """Return ``0.52× [0.45, 0.62]`` or, in points, ``+1.3 pt [+0.4, +2.2]``."""
    return escape(f"{estimate(test)}{between(test)}")


def verdict(test: Paired) -> str:
    """Return the verdict in its colour, and how many seeds would decide an open one."""
    style = _STYLES.get(test.verdict)
    text = f"[{style}]{verdict_label(test)}[/]" if style else verdict_label(test)
    if test.verdict is Verdict.inconclusive and test.seeds_needed is not None:
        text += f" ({test.seeds_needed})"
    return text


def strongest(interactions: Sequence[Interaction]) -> list[Interaction]:
    """Return the interactions that were called, the clearest first."""
    called = [one for one in interactions if one.test.verdict.effect]
    return sorted(called, key=lambda one: one.test.p if one.test.p is not None else 1.0)[:_STRONGEST]


def shares(found: Sequence[Share]) -> list[str]:
    """Return a line for each metric: whose share of its variance is how large, and whether they overlap."""
    lines = []
    for metric in dict.fromkeys(one.metric.name for one in found):
        own = [one for one in found if one.metric.name == metric and one.share is not None]
        parts = (f"{one.name} {100 * (one.share or 0):.0f} %" for one in sorted(own, key=lambda one: -(one.share or 0)))
        if own:
            how = f" ({OVERLAP})" if overlapping(own) else ""
            lines.append(escape(f"Variance of {metric}{how}: {', '.join(parts)}."))
    return lines
