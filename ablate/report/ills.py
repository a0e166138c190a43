"""What is wrong in the layers of which arms: the same words in the terminal, on the page and in the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.analysis.layers import Symptom, ills
from ablate.analysis.table import is_absent
from ablate.analysis.wording import setting
from ablate.analysis.words import listed
from ablate.results import Sweep, layers

NAMED = 3
"""So many arms are named one by one."""


@dataclass(frozen=True)
class Examined:
    """An arm whose layers were measured, as the first of its runs that came to an end shows it."""

    arm: str
    hash: str
    levels: Mapping[str, Any]
    symptoms: Sequence[Symptom]

    @property
    def told(self) -> str:
        """What is wrong with it, in one line."""
        return "; ".join(one.sentence for one in self.symptoms)

    def sentence(self) -> str:
        """Return it as a line."""
        return f"{self.arm}: {self.told}."


def examined(sweep: Sweep) -> list[Examined]:
    """Return the arms in whose runs layers were measured, in the order of the sweep."""
    first = {record.facts.arm_hash: record for record in reversed(sweep.records) if record.status.done}
    found = []
    for digest, record in reversed(first.items()):
        frame = layers(record)
        if len(frame):
            found.append(Examined(sweep.label(record), digest, sweep.levels(record), ills(frame)))
    return found


def ailing(arms: Sequence[Examined]) -> list[Examined]:
    """Return those with which something is wrong."""
    return [one for one in arms if one.symptoms]


def compared(arms: Sequence[Examined]) -> list[str]:
    """Return a sentence for each thing that is wrong: in which arms it is, and in which it is not."""
    if len(arms) < 2:
        return []
    names = dict.fromkeys(symptom.name for one in arms for symptom in one.symptoms)
    return [_compared(name, arms) for name in names]


def _compared(name: str, arms: Sequence[Examined]) -> str:
    have = [one for one in arms if any(symptom.name == name for symptom in one.symptoms)]
    lack = [one for one in arms if one not in have]
    said = f"{name[0].upper()}{name[1:]}: in "
    if not lack:
        return f"{said}all {len(arms)} arms."
    if (levels := _levels(have, lack)) is not None:
        where = listed(levels[0])
        rest = listed(levels[1])
        return f"{said}{len(have)} of {len(arms)} arms: in all with {where}, in none with {rest}."
    return f"{said}{len(have)} of {len(arms)} arms: {_named(have)}; not in {_named(lack)}."


def _levels(have: Sequence[Examined], lack: Sequence[Examined]) -> tuple[list[str], list[str]] | None:
    """Return the levels of the one factor that tells the arms that have it from those that lack it, if there is one."""
    for factor in have[0].levels:
        sides = []
        for arms in (have, lack):
            of = (one.levels[factor] for one in arms)
            sides.append(list(dict.fromkeys(f"no {factor}" if is_absent(v) else setting(factor, v) for v in of)))
        if not set(sides[0]) & set(sides[1]):
            return sides[0], sides[1]
    return None


def _named(arms: Sequence[Examined]) -> str:
    names = [one.arm for one in arms]
    return listed(names if len(names) <= NAMED + 1 else [*names[:NAMED], f"{len(names) - NAMED} more"])
