"""The verb ``runs``: what is on disk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

from ablate.analysis.naming import names
from ablate.config import Config
from ablate.errors import ConfigError, did_you_mean
from ablate.json_text import json_text
from ablate.record import Record, find
from ablate.report.listing import document
from ablate.report.style import console, number_text
from ablate.results import summary


def runs(arguments: Sequence[str] = ()) -> None:
    """Print every run under ``outputs``, or those of the sweeps named; with ``--json`` as data."""
    options = [a for a in arguments if a.startswith("output_dir=")]
    root = Path(options[-1].partition("=")[2] if options else Config.output_dir)
    wanted = [a.removeprefix(f"{root}/").rstrip("/") for a in arguments if a not in options and a != "--json"]
    known = sorted(path.name for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    if options and not root.is_dir():
        raise ConfigError(f"There is no folder {root}: output_dir is where runs have been written.")
    for name in wanted:
        if name not in known:
            raise ConfigError(
                f"There is no sweep '{name}' in {root}.{did_you_mean(name, known)} "
                f"Sweeps there: {', '.join(known) or 'none'}."
            )
    if "--json" in arguments:
        print(json_text(document([root / name for name in wanted or known], root)), end="")
        return
    out = console()
    for name in wanted or known:
        _print_runs(root / name)
    if not known:
        out.print(f"No runs in {escape(str(root))} yet. Train one: python -m ablate")


def _print_runs(folder: Path) -> None:
    records, problems = find(folder)
    called = names({record.facts.arm_hash: record.facts.arm for record in records})
    table = Table(
        title=escape(str(folder)),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
    )
    transferred = any(record.facts.transfer for record in records)
    imported = any(record.facts.imported for record in records)
    columns = [*["loaded"] * transferred, *["imported"] * imported]
    for head in ("arm", "hash", "seed", "status", "metric", "best", "final", "seconds", *columns):
        table.add_column(
            head, overflow="fold", justify="right" if head in ("seed", "best", "final", "seconds") else "left"
        )
    for record in records:
        facts, curve = record.facts, summary(record)
        table.add_row(
            escape(called.of(facts.arm_hash, facts.arm)),
            facts.arm_hash,
            str(facts.seed),
            str(record.status),
            facts.metric,
            number_text(curve.best),
            number_text(curve.final),
            number_text(facts.seconds, digits=1),
            *[_loaded(record)] * transferred,
            *[escape(str((facts.imported or {}).get("from", "–")))] * imported,
        )
    if records:
        console().print(table)
        if shared := called.sentence():
            console().print(escape(shared))
    for problem in problems:
        console().print(f"[yellow]Unreadable:[/] {escape(problem)}")


def _loaded(record: Record) -> str:
    """Return how many of the weights came from the source of ``init_from``."""
    transfer = record.facts.transfer
    return f"{math.floor(100 * transfer['share'])} %" if transfer else "–"
