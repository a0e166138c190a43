"""The verb ``study``: claims put to the test, one after the other, and the gallery and the book of them all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ablate.atomic import write_atomically
from ablate.config import Config
from ablate.discovery import BUILTIN
from ablate.errors import AblateError, ConfigError
from ablate.report.book import to_book
from ablate.report.gallery import Entry, to_gallery
from ablate.report.style import console
from ablate.studies import catalogue
from ablate.studies.arguments import FOLDER, key_of
from ablate.studies.definition import Study
from ablate.verdicts.outcome import Outcome, figure_of

_USAGE = (
    "study NAME … | --all [--seeds N or range(10,20) | --again] [--gallery FILE] [--book FILE] "
    "[settings such as stack=auto]"
)
GALLERY, BOOK = "docs/gallery.md", "book.html"


def study(arguments: Sequence[str] = ()) -> int:
    """Run studies, or all; with ``--all``, or where they are named, write the gallery and the book.

    Return 1 if one of them could not be run to its end.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("names", nargs="*")
    for flag in ("--all", "--again"):
        parser.add_argument(flag, action="store_true")
    for flag in ("--seeds", "--gallery", "--book"):
        parser.add_argument(flag)
    try:
        asked, unknown = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise ConfigError(f"study: {error}. {_USAGE}.") from error
    said = [*asked.names, *(word for word in unknown if not word.startswith("-"))]  # flags may stand between
    unknown = [word for word in unknown if word.startswith("-")]
    settings = [word for word in said if "=" in word]
    names = [word for word in said if "=" not in word]
    if unknown or not (names or asked.all) or (names and asked.all):
        raise ConfigError(f"study {' '.join(unknown) or '…'}: this takes names of studies, or --all. {_USAGE}.")
    if wrong := [setting for setting in settings if key_of(setting) in ("study", "name", "dry_run")]:
        raise ConfigError(f"{wrong[0]}: this belongs to one study: python -m ablate study=NAME {wrong[0]}.")
    if asked.again and (asked.seeds or any(key_of(setting) == "seed" for setting in settings)):
        raise ConfigError("--again takes the seeds that follow those of each study: leave the seeds out, or --again.")
    if asked.seeds:
        settings.append(f"seed=range(0,{asked.seeds})" if asked.seeds.isdecimal() else f"seed={asked.seeds}")
    chosen = catalogue.studies() if asked.all else [catalogue.study(name) for name in names]
    from ablate.cli.testing import put_to_test  # here: torch is not needed to refuse a name

    failed = []
    for at, one in enumerate(chosen, 1):
        console().print(f"\n[bold]{at} of {len(chosen)}: {one.name}[/]")
        try:
            put_to_test(one, [] if one.exact else settings, root=_root(settings), again=asked.again)
        except AblateError as error:
            failed.append(one.name)
            print(f"ablate: {one.name}: {error}", file=sys.stderr)
    _write(asked, chosen, _root(settings))
    if failed:
        print(f"ablate: {len(failed)} could not be run: {', '.join(failed)}.", file=sys.stderr)
    return int(bool(failed))


def _root(settings: Sequence[str]) -> Path:
    options = [setting for setting in settings if setting.startswith("output_dir=")]
    return Path(options[-1].partition("=")[2] if options else Config.output_dir)


def _write(asked: argparse.Namespace, chosen: Sequence[Study], root: Path) -> None:
    """Write the gallery and the book, from the outcomes under ``root``.

    Of the studies that were named those; of all, the gallery has ours, as it is part of the documentation.
    """
    known = catalogue.found()
    entries = [
        Entry(
            one,
            Outcome.load(root, one.name),
            figure_of(root, one.name),
            Outcome.load(root, one.name, again=True),
        )
        for one in chosen
    ]
    if gallery := asked.gallery or (GALLERY if asked.all else None):
        own = [one for one in entries if not asked.all or known[one.study.name].distribution == BUILTIN]
        figures = Path(gallery).parent / Path(gallery).stem
        for entry in own:
            if entry.figure:
                write_atomically(figures / f"{entry.study.name}.svg", entry.figure)
        write_atomically(Path(gallery), to_gallery(own, figures.name))
        console().print(f"Gallery:     {gallery}", soft_wrap=True)
    if book := asked.book or (root / FOLDER / BOOK if asked.all else None):
        write_atomically(Path(book), to_book(entries))
        console().print(f"Book:        {book}", soft_wrap=True)
