"""The verb ``new``: a plugin to begin with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ablate.errors import ConfigError
from ablate.scaffold import write_plugin
from ablate.techniques import KINDS

_USAGE = f"python -m ablate new plugin NAME --kind {'|'.join(KINDS)} [--into FOLDER]"


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing a usage of its own and leaving."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"new: {message}. Write {_USAGE}.")


def new(arguments: Sequence[str] = ()) -> None:
    """Write a distribution with one working option, and say what to do next."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("what", choices=["plugin"])
    parser.add_argument("name")
    parser.add_argument("--kind", required=True)
    parser.add_argument("--into", type=Path, default=Path())
    given = parser.parse_args(arguments)
    folder = write_plugin(given.name, given.kind, given.into)
    print(
        f"{folder} holds a working option, {given.kind}={given.name}, and the tests of its contract. Next:\n\n"
        f"  cd {folder}\n"
        '  pip install -e ".[test]"\n'
        "  pytest\n"
        f"  python -m ablate plugins {given.kind}={given.name}"
    )
