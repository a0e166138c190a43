"""Studies in the terminal: how one came out, and all there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from ablate.analysis.words import counted
from ablate.report.style import console, duration_text
from ablate.studies.arguments import command, text
from ablate.studies.definition import Study
from ablate.verdicts.outcome import Outcome, Verdict

STYLES = {
    Verdict.supported: "green",
    Verdict.holds: "green",
    Verdict.refuted: "red",
    Verdict.fails: "red",
    Verdict.none: "cyan",
    Verdict.conditional: "yellow",
    Verdict.inconclusive: "yellow",
}


def print_outcome(study: Study, outcome: Outcome) -> None:
    """Print the claim, its verdict and the reading."""
    out = console()
    out.print(f"\n[bold]Claim:[/]    {escape(study.claim)}", soft_wrap=False)
    out.print(f"[bold]Source:[/]   {escape(str(study.source))} ({study.kind.told})")
    out.print(f"[bold]Verdict:[/]  [{STYLES[outcome.verdict]}]{escape(outcome.headline)}[/]")
    out.print(Padding(escape(outcome.reading), (0, 0, 0, 10)))


def print_study(study: Study, outcome: Outcome | None) -> None:
    """Print all that a study says, and how it came out when it was last run."""
    out = console()
    out.print(f"[bold]{escape(study.name)}[/]  {study.digest}")
    out.print(escape(study.claim))
    out.print(escape(study.claim_zh))
    out.print(f"Source: {escape(str(study.source))} ({study.kind.told})")
    for line in tested(study):
        out.print(escape(line), soft_wrap=True)
    if study.note:
        out.print(f"Note: {escape(study.note)}")
    out.print(f"Test it: {escape(study.command)}", soft_wrap=True)
    if outcome is None:
        out.print("Not run yet.")
        return
    old = "" if outcome.digest == study.digest else " (of an earlier edition of the study: run it again)"
    out.print(f"Verdict: [{STYLES[outcome.verdict]}]{escape(outcome.headline)}[/]{old}")
    out.print(escape(outcome.reading))


def document(rows: Sequence[tuple[Study, Outcome | None, Outcome | None]]) -> dict[str, Any]:
    """Return studies as data, each with how it came out, at first and on other seeds; null for what was not run."""
    return {"schema": 1, "studies": [_row(*row) for row in rows]}


def _row(study: Study, outcome: Outcome | None, again: Outcome | None) -> dict[str, Any]:
    return {
        **asdict(study),
        "digest": study.digest,
        "command": study.command,
        "outcome": outcome and asdict(outcome),
        "again": again and asdict(again),
    }


def tested(study: Study) -> list[str]:
    """Return how a study tests its claim, a line each."""
    if study.compare is None:
        given = f" with {', '.join(f'{key}={value}' for key, value in study.given.items())}" if study.given else ""
        return [f"Check: {study.check}{given}"]
    factor, level, against = study.compare
    within = f", within each level of {study.condition}" if study.condition else ""
    start = [f"Starts from: {_told(study.before)}"]
    return [
        *(start if study.before else []),
        f"Compared: {factor}={text(level)} with {text(against)}{within}",
        f"Measured: {study.measure}; expected: {study.expect}; the smallest difference that matters: {study.margin:g}",
        *(f"Arm {name}: {_told(arm)}" for name, arm in study.arms.items()),
        f"Stands for{', of whose arms these' if study.arms else ''}: {command(study)}",
    ]


def _told(settings: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={text(value)}" for key, value in settings.items())


def print_list(rows: Sequence[tuple[Study, Outcome | None]]) -> None:
    """Print a row for each study: claim, source, last verdict, cost."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for head in ("study", "claim", "source", "verdict", "cost"):
        table.add_column(head, overflow="fold", justify="right" if head == "cost" else "left", no_wrap=head == "study")
    for study, outcome in rows:
        verdict = "–" if outcome is None else f"[{STYLES[outcome.verdict]}]{escape(outcome.headline)}[/]"
        if outcome is not None and outcome.digest != study.digest:
            verdict += " (earlier edition)"
        cost = "–" if outcome is None else cost_of(outcome)
        table.add_row(
            escape(study.name), escape(study.claim), escape(f"{study.source.file} {study.source.topic}"), verdict, cost
        )
    out = console()
    out.print(table)
    if all(outcome is None for _, outcome in rows):
        out.print("None has been run here yet: study=NAME runs one. The gallery in the documentation has ours.")
    out.print(f"{counted(len(rows), 'study', 'studies')}. One of them: python -m ablate studies NAME")


def cost_of(outcome: Outcome) -> str:
    """Return what a study cost: ``60 runs, 40 s``."""
    runs = f"{counted(outcome.runs, 'run')}, " if outcome.runs else ""
    return f"{runs}{duration_text(outcome.seconds) if outcome.seconds >= 1 else 'under 1 s'}"
