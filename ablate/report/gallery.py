"""The gallery of studies as one Markdown page, and whether a page is in step with the studies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from ablate.analysis.words import counted
from ablate.report.study import cost_of, tested
from ablate.studies.catalogue import place
from ablate.studies.definition import Study
from ablate.verdicts.figure import alt
from ablate.verdicts.outcome import Agreement, Outcome

UPDATE = "python -m ablate study --all"
NOT_RUN = "not run yet"
CHANCE = "Each is held to its own level of 5 %: of so many claims some verdict may be chance."
_MARK = re.compile(r"<!-- study (\S+) ([0-9a-f]{8}) -->")


@dataclass(frozen=True)
class Entry:
    """A study, how it came out when it was last run, and its figure as an ``<svg>`` element."""

    study: Study
    outcome: Outcome | None
    figure: str = ""
    again: Outcome | None = None
    """How it came out on as many other seeds."""

    @property
    def current(self) -> Outcome | None:
        """The outcome, if it is of the study as it is now."""
        return self.outcome if self.outcome and self.outcome.digest == self.study.digest else None

    @property
    def headline(self) -> str:
        """The verdict, or that there is none."""
        return self.current.headline if self.current else NOT_RUN

    @property
    def facts(self) -> str:
        """What the verdict stands on: seeds, runs, time."""
        if self.current is None:
            return ""
        told = ", ".join(filter(None, [seeds_told(self.current.seeds), cost_of(self.current)])) + "."
        return told[0].upper() + told[1:]

    @property
    def agreement(self) -> Agreement | None:
        """How the outcome on other seeds compares; None where there is none of the study as it is now."""
        first, second = self.current, self.again
        return first.agreement(second) if first and second and second.digest == first.digest else None

    @property
    def repeated(self) -> str:
        """How it came out on other seeds, in a sentence; nothing where it was not repeated."""
        if self.again is None or self.current is None or self.agreement is None:
            return ""
        others = [f"{one.verdict} with {one.where}" for one in self.current.contradicted(self.again) if one.where]
        told = f": {', '.join(others)}" if others else ""
        return f"Again, with {seeds_told(self.again.seeds)}: {self.again.headline}; {self.agreement}{told}."


def seeds_told(seeds: Sequence[int]) -> str:
    """Return the seeds, or nothing: ``10 seeds (0 to 9)``."""
    if not seeds:
        return ""
    return f"{counted(len(seeds), 'seed')} ({seeds[0]}{f' to {seeds[-1]}' if len(seeds) > 1 else ''})"


def summary(entries: Sequence[Entry]) -> str:
    """Return how many claims came out how."""
    told = "; ".join(f"{len(alike)} {verdict}" for verdict, alike in by_verdict(entries))
    return f"{counted(len(entries), 'claim')}: {told}.{_repeated(entries)}"


def _repeated(entries: Sequence[Entry]) -> str:
    """Return how many came out the same on other seeds; nothing where none was repeated."""
    found = [one.agreement for one in entries if one.agreement]
    if not found:
        return ""
    told = "; ".join(f"{count} {kind}" for kind in Agreement if (count := found.count(kind)))
    return f" {len(found)} {'was' if len(found) == 1 else 'were'} trained again with other seeds: {told}."


def by_verdict(entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    """Return the entries that came out alike, the most frequent first."""
    found: dict[str, list[Entry]] = {}
    for one in sorted(entries, key=lambda one: place(one.study)):
        found.setdefault(str(one.current.verdict) if one.current else NOT_RUN, []).append(one)
    return sorted(found.items(), key=lambda alike: -len(alike[1]))


def by_source(entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    """Return the entries of each source file, in the order of its topics."""
    ordered = sorted(entries, key=lambda one: place(one.study))
    return [(file, list(own)) for file, own in groupby(ordered, key=lambda one: one.study.source.file)]


def to_gallery(entries: Sequence[Entry], figures: str) -> str:
    """Return the page; ``figures`` is the folder, beside it, of the studies' figures."""
    lines = [
        "# Gallery",
        "",
        f"Each claim was tested by `python -m ablate study=NAME`; this page is written by `{UPDATE}` from real runs.",
        f"What the verdicts mean is in [Studies](studies.md). {summary(entries)} {CHANCE}",
        "The sources are four files of study notes, in Chinese, which are called by the first digits of their names.",
        "",
    ]
    for file, own in by_source(entries):
        lines += [f"Source {file}:", "", "| topic | study | verdict |", "|---|---|---|"]
        for one in own:
            name = one.study.name
            lines.append(f"| {_cell(one.study.source.topic)} | [{name}](#{name}) | {_cell(one.headline)} |")
        lines.append("")
    for _, own in by_source(entries):
        for one in own:
            lines += _section(one, figures)
    return "\n".join(lines)


def _section(one: Entry, figures: str) -> list[str]:
    study, outcome = one.study, one.current
    digest = outcome.digest if outcome else "0" * 8
    lines = [f"## {study.name}", "", f"<!-- study {study.name} {digest} -->", "", study.claim, "", study.claim_zh, ""]
    lines += [f"Source: {study.source} ({study.kind.told}).", "", f"**Verdict: {one.headline}.**"]
    if outcome:
        lines[-1] += f" {outcome.reading}"
        if one.figure:
            lines += ["", f"![{alt(study)}]({figures}/{study.name}.svg)"]
        lines += ["", f"{one.facts} {one.repeated}".rstrip()]
    lines += ["", *(f"    {line}" for line in tested(study)), f"    {study.command}", ""]
    return [*lines, f"Note: {study.note}", ""] if study.note else lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def out_of_step(page: str, studies: Sequence[Study]) -> list[str]:
    """Return what a gallery lacks, or has too much of, against the studies there are; a sentence each."""
    there = dict(_MARK.findall(page))
    wanted = {study.name: study.digest for study in studies}
    told = [f"The gallery has no section on {name}." for name in wanted if name not in there]
    told += [f"The study {name} has changed since." for name in wanted if name in there and there[name] != wanted[name]]
    told += [f"There is no study {name} any more." for name in there if name not in wanted]
    return [f"{one} Write it anew: {UPDATE}" for one in told]
