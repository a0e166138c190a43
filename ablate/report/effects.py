"""The effects in the terminal: a row for each contrast and metric, what interacts, whose variance it is."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from ablate.analysis import Contrast, Effects, Interaction, Share, Verdict
from ablate.analysis.evidence import Estimate, Paired
from ablate.analysis.table import label
from ablate.analysis.wording import between, number, setting
from ablate.analysis.wording import verdict as verdict_label

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
    told += [escape(f"{one.reading()} ({one.metric.name}).") for one in strongest(found.interactions)]
    told += shares(found.shares)
    told += [escape(one.sentence()) for one in found.divergences if one.differs]
    told += [escape(one.sentence()) for one in found.refused]
    if seeds := sorted({one.test.seeds for one in found.contrasts}):
        told.append(f"Paired by seed: {' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} of them.")
    if any(one.test.verdict is Verdict.inconclusive and one.test.seeds_needed for one in found.contrasts):
        told.append("In brackets: how many seeds would probably decide it.")
    told += [escape(note) for note in found.notes]
    return told


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
    text = number(test.metric, test.estimate)
    unit = {"ratio": "×", "points": " pt"}.get(str(test.metric.scale), "")
    return escape(f"{text}{unit}{between(test)}")


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
    """Return a line for each metric: whose share of its variance is how large."""
    lines = []
    for metric in dict.fromkeys(one.metric.name for one in found):
        own = [one for one in found if one.metric.name == metric and one.share is not None]
        parts = (f"{one.name} {100 * (one.share or 0):.0f} %" for one in sorted(own, key=lambda one: -(one.share or 0)))
        if own:
            lines.append(escape(f"Variance of {metric}: {', '.join(parts)}."))
    return lines
