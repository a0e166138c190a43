"""What is printed before a sweep is trained, and of each run when it has ended."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape

from ablate.analysis.words import counted
from ablate.facts import Status
from ablate.record import Record
from ablate.report.style import STYLES, console, number_text, one_line
from ablate.results import summary


def introduce(warnings: Sequence[str] = (), notes: Sequence[str] = (), facts: Sequence[str] = ()) -> None:
    """Say what has to be known before a sweep is trained: what may be a mistake, what its design leaves open, what its
    data is, and what is done to its networks beforehand.
    """
    out = console()
    for warning in warnings:
        out.print(f"[yellow]Warning:[/] {escape(warning)}")
    for note in notes:
        out.print(escape(f"{note}."), soft_wrap=True)
    for text in facts:
        out.print(escape(text), soft_wrap=True)


def announce(title: str, total: int, missing: int, failed: int = 0, shared: str = "") -> None:
    """Say how many runs are about to be trained, how many are done already, and how many failed and are left so;
    ``shared`` is what the arms have in common.
    """
    if missing == 0:
        done = "all done before" if not failed else f"{total - failed} done and {failed} failed before"
        text = f"{counted(total, 'run')}, {done}: nothing to train."
    else:
        before = f", {total - missing} done before" if missing < total else ""
        text = f"{counted(total, 'run')}{before}. Training {missing}."
        text += f"\n{shared}" if shared else ""
    console().print(escape(f"{title}{text}"))


def outcome(record: Record, arm: str) -> str:
    """Return how a run of an arm of that name ended, with its colours."""
    facts = record.facts
    told = f"{arm} seed={facts.seed}"
    if record.status is Status.finished:
        best = summary(record).best
        ended = f"{facts.metric} {number_text(best)} in {facts.seconds:.1f} s"
    else:
        reason = "" if record.status is Status.interrupted else f": {escape(one_line(facts.error))}"
        ended = f"[{STYLES[record.status]}]{record.status}[/]{reason}"
    return f"{escape(told)}  {ended}"
