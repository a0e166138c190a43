"""The verb ``studies``: which claims are tested, and how they came out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ablate.config import Config
from ablate.errors import ConfigError
from ablate.json_text import json_text
from ablate.report.study import document, print_list, print_study
from ablate.studies import catalogue
from ablate.verdicts.outcome import Outcome


def studies(arguments: Sequence[str] = ()) -> None:
    """Print a row for each study, or all about those named; with ``--json`` as data."""
    as_data = "--json" in arguments
    arguments = [a for a in arguments if a != "--json"]
    options = [a for a in arguments if a.startswith("output_dir=")]
    names = [a for a in arguments if a not in options]
    if wrong := [name for name in names if name.startswith("-") or "=" in name]:
        raise ConfigError(f"studies {wrong[0]}: this takes names of studies, and output_dir=FOLDER.")
    root = Path(options[-1].partition("=")[2] if options else Config.output_dir)
    if as_data:
        chosen = [catalogue.study(name) for name in names] or catalogue.studies()
        rows = [(one, Outcome.load(root, one.name), Outcome.load(root, one.name, again=True)) for one in chosen]
        print(json_text(document(rows)), end="")
        return
    if not names:
        print_list([(one, Outcome.load(root, one.name)) for one in catalogue.studies()])
    for name in names:
        one = catalogue.study(name)
        print_study(one, Outcome.load(root, one.name))
