"""The verb ``report``: what sweeps have found, from their folders alone, in whichever form."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.markup import escape

from ablate.cli.watch import sweep_at, watch
from ablate.config import Config
from ablate.errors import ConfigError, did_you_mean
from ablate.report.content import Content, content_of
from ablate.report.data import to_csv, to_json
from ablate.report.faces import to_latex, to_markdown, write_report
from ablate.report.style import console
from ablate.report.terminal import print_sweep
from ablate.results import open_sweep
from ablate.sweep_facts import sweep_folders

FORMATS: dict[str, Callable[[Content], str]] = {"md": to_markdown, "latex": to_latex, "json": to_json, "csv": to_csv}


def report(arguments: Sequence[str] = ()) -> None:
    """Print the report of sweeps and write it as a page, as data and for TensorBoard."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("sweeps", nargs="*")
    parser.add_argument("--format", choices=FORMATS)
    parser.add_argument("--json", dest="format", action="store_const", const="json")
    parser.add_argument("--watch", action="store_true")
    try:
        asked, unknown = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise ConfigError(f"report: {error}. Formats: {', '.join(FORMATS)}.") from error
    options = [a for a in asked.sweeps if a.startswith("output_dir=")]
    if wrong := [*unknown, *(a for a in asked.sweeps if "=" in a and a not in options and not Path(a).is_dir())]:
        raise ConfigError(
            f"report {wrong[0]}: this is neither a sweep nor a flag. report NAME or FOLDER, --format "
            f"{'|'.join(FORMATS)}, --json, --watch, output_dir=FOLDER."
        )
    root = Path(options[-1].partition("=")[2] if options else Config.output_dir)
    names = [name for name in asked.sweeps if name not in options]
    if asked.watch:
        with contextlib.suppress(KeyboardInterrupt):
            watch(names, root, lambda folder: _report(folder, asked.format))
        return
    folders = [_folder(name, root) for name in names] or _all(root)
    for folder in folders:
        if len(folders) > 1 and asked.format is None:
            console().print(f"\n[bold]{escape(folder.name)}[/]")
        _report(folder, asked.format)


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


def _folder(name: str, root: Path) -> Path:
    if (folder := sweep_at(name, root)) is not None:
        return folder
    known = [folder.name for folder in sweep_folders(root)]
    raise ConfigError(
        f"There is no sweep '{name}' in {root}.{did_you_mean(name, known)} Sweeps there: {', '.join(known) or 'none'}."
    )


def _all(root: Path) -> list[Path]:
    found = sweep_folders(root)
    if not found:
        raise ConfigError(f"There is no sweep in {root} yet. Train one: python -m ablate -m norm=bn,none")
    return found
