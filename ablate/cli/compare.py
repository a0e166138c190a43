"""The verb ``compare``: arms, runs or sweeps side by side, from their folders alone."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from ablate.atomic import write_atomically
from ablate.comparison import compare as compared
from ablate.config import Config
from ablate.errors import ConfigError, RecordError
from ablate.report.comparison import print_comparison, to_json, to_page
from ablate.report.style import console
from ablate.sides import sides

_USAGE = "compare A B … [--json] [--html FILE] [target=NUMBER] [output_dir=FOLDER]"


def compare(arguments: Sequence[str] = ()) -> None:
    """Print what differs between two or more arms, runs or sweeps, how each came out, and their contrasts."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("sides", nargs="*")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--html")
    try:
        asked, unknown = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        if error.argument_name == "--html":
            raise ConfigError("--html needs a file: compare A B --html comparison.html.") from error
        raise ConfigError(f"{error.argument_name} takes no value. {_USAGE}.") from error
    if unknown:
        raise ConfigError(f"compare {unknown[0]}: there is no such flag. {_USAGE}.")
    said = {key: [a for a in asked.sides if a.startswith(f"{key}=")] for key in ("output_dir", "target")}
    names = [name for name in asked.sides if not any(name in own for own in said.values())]
    root = Path(said["output_dir"][-1].partition("=")[2] if said["output_dir"] else Config.output_dir)
    target = _number(said["target"][-1]) if said["target"] else None
    if asked.html is not None and (not asked.html or Path(asked.html).is_dir()):
        raise ConfigError(f"--html {asked.html}: this is no file. compare A B --html comparison.html.")
    found = compared(sides(names, root), target)
    if asked.html:
        _write(Path(asked.html), to_page(found))
    if asked.json:
        print(to_json(found), end="")
        return
    print_comparison(found)
    if asked.html:
        console().print(f"Page:        {asked.html}", soft_wrap=True, markup=False)


def _write(path: Path, page: str) -> None:
    try:
        write_atomically(path, page)
    except RecordError as error:
        raise ConfigError(f"--html {path}: {error.__cause__}. Name another file.") from error


def _number(setting: str) -> float:
    try:
        value = float(setting.partition("=")[2])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"compare {setting}: the target is a number, a value of the validation metric.")
    return value
