"""The verb ``study``: claims put to the test, one after the other, and the gallery and the book of them all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ablate.atomic import write_atomically
from ablate.config import Config
from ablate.errors import AblateError, ConfigError
from ablate.report.book import to_book
from ablate.report.gallery import Entry, to_gallery
from ablate.report.style import console
from ablate.studies import catalogue
from ablate.studies.arguments import key_of
from ablate.verdicts.outcome import Outcome, figure_of

_USAGE = "study NAME … | --all [--seeds N or range(10,20)] [--gallery FILE] [--book FILE] [settings such as stack=auto]"
GALLERY, BOOK = "docs/gallery.md", "book.html"


def study(arguments: Sequence[str] = ()) -> int:
    """Run studies, or all; with ``--all``, or where they are named, write the gallery and the book.

    Return 1 if one of them could not be run to its end.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    for flag in ("--seeds", "--gallery", "--book"):
        parser.add_argument(flag)
    try:
        asked, unknown = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise ConfigError(f"study: {error}. {_USAGE}.") from error
    settings = [name for name in asked.names if "=" in name]
    names = [name for name in asked.names if "=" not in name]
    if unknown or not (names or asked.all) or (names and asked.all):
        raise ConfigError(f"study {' '.join(unknown) or '…'}: this takes names of studies, or --all. {_USAGE}.")
    if wrong := [setting for setting in settings if key_of(setting) in ("study", "name", "dry_run")]:
        raise ConfigError(f"{wrong[0]}: this belongs to one study: python -m ablate study=NAME {wrong[0]}.")
    if asked.seeds:
        settings.append(f"seed=range(0,{asked.seeds})" if asked.seeds.isdecimal() else f"seed={asked.seeds}")
    chosen = catalogue.studies() if asked.all else [catalogue.study(name) for name in names]
    from ablate.cli.testing import put_to_test  # here: torch is not needed to refuse a name

    failed = []
    for at, one in enumerate(chosen, 1):
        console().print(f"\n[bold]{at} of {len(chosen)}: {one.name}[/]")
        try:
            put_to_test(one, [] if one.exact else settings, root=_root(settings))
        except AblateError as error:
            failed.append(one.name)
            print(f"ablate: {one.name}: {error}", file=sys.stderr)
    if asked.all or asked.gallery or asked.book:
        _write(_root(settings), Path(asked.gallery or GALLERY) if asked.gallery or asked.all else None, asked.book)
    if failed:
        print(f"ablate: {len(failed)} could not be run: {', '.join(failed)}.", file=sys.stderr)
    return int(bool(failed))


def _root(settings: Sequence[str]) -> Path:
    options = [setting for setting in settings if setting.startswith("output_dir=")]
    return Path(options[-1].partition("=")[2] if options else Config.output_dir)


def _write(root: Path, gallery: Path | None, book: str | None) -> None:
    """Write the gallery and the book of all studies, from the outcomes under ``root``."""
    entries = [Entry(one, Outcome.load(root, one.name), figure_of(root, one.name)) for one in catalogue.studies()]
    if gallery is not None:
        figures = gallery.parent / gallery.stem
        for entry in entries:
            if entry.figure:
                write_atomically(figures / f"{entry.study.name}.svg", entry.figure)
        write_atomically(gallery, to_gallery(entries, figures.name))
        console().print(f"Gallery:     {gallery}", soft_wrap=True)
    path = Path(book) if book else root / "studies" / BOOK
    write_atomically(path, to_book(entries))
    console().print(f"Book:        {path}", soft_wrap=True)
