"""The examination of a run in the terminal, one line an item, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ablate.doctor.finding import Finding, Verdict
from ablate.json_text import json_text
from ablate.report.style import console

_SYMBOLS = {
    Verdict.passed: "[green]✓[/]",
    Verdict.warning: "[yellow]![/]",
    Verdict.failed: "[red]✗[/]",
}
_WIDTHS = 1, 34, 33, 23


def print_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Print each finding as it comes: symbol, what was looked at, the figure, the way out; then how many there are."""
    out, seen = console(), []
    for finding in findings:
        seen.append(finding)
        _print_line(out, finding)
    counts = {verdict: sum(f.verdict is verdict for f in seen) for verdict in Verdict}
    out.print(
        f"\n{counts[Verdict.passed]} passed, {counts[Verdict.warning]} to look at, {counts[Verdict.failed]} failed."
    )
    return seen


def _print_line(out: Console, finding: Finding) -> None:
    line = Table.grid(padding=(0, 2, 0, 0))  # with 3, Rich before 14.3 would have no room for the symbol
    for width in _WIDTHS:
        line.add_column(width=width, overflow="fold")
    cells = finding.looked_at, finding.figure, finding.way_out
    line.add_row(_SYMBOLS[finding.verdict], *map(escape, cells))
    out.print(line)


def as_json(findings: Iterable[Finding]) -> str:
    """Return the findings as a list of objects: item, looked_at, verdict, figure, way_out."""
    return json_text([vars(f) | {"verdict": f.verdict.value} for f in findings])
