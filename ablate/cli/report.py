"""The verb ``report``: what sweeps have found, from their folders alone, in whichever form."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.markup import escape

from ablate.config import Config
from ablate.designs.apart import is_apart
from ablate.errors import ConfigError, RecordError, did_you_mean
from ablate.facts import Status
from ablate.record import find
from ablate.report.content import Content, content_of
from ablate.report.data import to_csv, to_json
from ablate.report.faces import to_latex, to_markdown, write_report
from ablate.report.style import console
from ablate.report.terminal import print_sweep
from ablate.results import open_sweep
from ablate.sweep_facts import SweepFacts

FORMATS: dict[str, Callable[[Content], str]] = {"md": to_markdown, "latex": to_latex, "json": to_json, "csv": to_csv}
WATCH_SECONDS = 10.0
"""How often ``--watch`` looks again."""


def report(arguments: Sequence[str] = ()) -> None:
    """Print the report of sweeps and write it as a page, as data and for TensorBoard."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("sweeps", nargs="*")
    parser.add_argument("--format", choices=FORMATS)
    parser.add_argument("--watch", action="store_true")
    try:
        asked, unknown = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise ConfigError(f"report: {error}. Formats: {', '.join(FORMATS)}.") from error
    options = [a for a in asked.sweeps if a.startswith("output_dir=")]
    if wrong := [*unknown, *(a for a in asked.sweeps if "=" in a and a not in options and not Path(a).is_dir())]:
        raise ConfigError(
            f"report {wrong[0]}: this is neither a sweep nor a flag. report NAME or FOLDER, --format "
            f"{'|'.join(FORMATS)}, --watch, output_dir=FOLDER."
        )
    root = Path(options[-1].partition("=")[2] if options else Config.output_dir)
    names = [name for name in asked.sweeps if name not in options]
    if asked.watch:
        with contextlib.suppress(KeyboardInterrupt):
            _watch(names, root, asked.format)
        return
    folders = [_folder(name, root) for name in names] or _all(root)
    for folder in folders:
        if len(folders) > 1 and asked.format is None:
            console().print(f"\n[bold]{escape(folder.name)}[/]")
        _report(folder, asked.format)


def _watch(names: Sequence[str], root: Path, form: str | None) -> None:
    """Report whenever a run has begun or ended, until the sweeps have ended; one that is not there is waited for."""
    shown: object = None
    waiting = False
    while True:
        there = [folder for name in names if (folder := _there(name, root)) is not None] if names else _all(root, 0)
        seen = {folder: _statuses(folder) for folder in there}
        ended = bool(there) and len(there) >= len(names) and not any(map(_in_training, there))
        if there and seen != shown:
            shown = seen
            console().clear()
            for folder in there:
                try:
                    _report(folder, form)
                except RecordError as error:  # its first record is being written
                    console().print(f"{error}", markup=False)
        missing = [name for name in names if _there(name, root) is None] or ([] if there else [str(root)])
        if missing and not waiting:
            console().print(f"Waiting for {', '.join(missing)}: no run there yet. Ctrl-C ends this.", markup=False)
        waiting = bool(missing)
        if ended and {folder: _statuses(folder) for folder in there} == shown:
            return
        time.sleep(WATCH_SECONDS)


def _statuses(folder: Path) -> dict[Path, Status]:
    """Return how each run stands."""
    return {record.folder: record.status for record in find(folder)[0]}


def _in_training(folder: Path) -> bool:
    """Whether the sweep in ``folder`` goes on, or a run without a sweep does."""
    facts = SweepFacts.load(folder)
    return (facts is not None and facts.in_training) or Status.running in _statuses(folder).values()


def _report(folder: Path, form: str | None) -> None:
    sweep = open_sweep(folder)
    if form is not None:
        print(FORMATS[form](content_of(sweep)), end="")
        return
    print_sweep(sweep)
    if not sweep.factors:
        return
    paths = write_report(content_of(sweep))
    console().print(f"Report:      {paths[0]}", soft_wrap=True)


def _there(name: str, root: Path) -> Path | None:
    """Return the folder of a sweep that has a run, or None."""
    return next((f for f in (Path(name), root / name) if any(f.glob("*/seed=*/record.json"))), None)


def _folder(name: str, root: Path) -> Path:
    folder = _there(name, root)
    if folder is not None:
        return folder
    known = [folder.name for folder in _all(root, least=0)]
    raise ConfigError(
        f"There is no sweep '{name}' in {root}.{did_you_mean(name, known)} Sweeps there: {', '.join(known) or 'none'}."
    )


def _all(root: Path, least: int = 1) -> list[Path]:
    found = sorted({path.parents[2] for path in root.glob("*/*/seed=*/record.json")})
    found = [folder for folder in found if not is_apart(folder.name)]
    if len(found) < least:
        raise ConfigError(f"There is no sweep in {root} yet. Train one: python -m ablate -m norm=bn,none")
    return found
