"""The verb ``rerun``: a run done again from its record alone, and whether it came out the same."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.markup import escape

from ablate.errors import ConfigError
from ablate.facts import command
from ablate.record import read
from ablate.registry import load_plugin
from ablate.report.style import console

ALLOW = "allow_code=true"


def rerun(arguments: Sequence[str] = ()) -> int:
    """Train the run in FOLDER again, elsewhere, and print what differs; return 0 where nothing does, else 1.

    A record cannot say that its code may run: whoever calls does, by ``allow_code=true``.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--keep")
    parser.add_argument("folder", nargs="*")
    try:
        said, others = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError as error:
        raise ConfigError("--keep needs a folder: rerun outputs/…/seed=0 --keep again.") from error
    allow_code = ALLOW in said.folder
    said.folder = [text for text in said.folder if text != ALLOW]
    if others or len(said.folder) != 1:
        raise ConfigError(
            "rerun takes the folder of one run, the one with its record.json: python -m ablate rerun "
            "'outputs/digits-mlp/norm=bn-3fa9c1d2/seed=0' [--keep FOLDER] [allow_code=true]."
        )
    record = read(Path(said.folder[0]).absolute())
    if (imported := record.facts.imported) is not None:
        raise ConfigError(
            f"{said.folder[0]} was imported from {imported['source']}: ablate did not train it, and can neither rerun "
            "nor resume it."
        )
    if not record.status.done:
        alone = (
            f" To train it: {command(record.facts.overrides, record.facts.plugins)}" if record.facts.overrides else ""
        )
        raise ConfigError(
            f"{said.folder[0]} is {record.status}: only a run that has ended by itself can be compared.{alone}"
        )
    for plugin in record.facts.plugins:
        if not Path(plugin).is_file():
            raise ConfigError(f"The run used options of {plugin}, which is gone. Put the file back.")
        load_plugin(plugin)
    # here, so that what is asked for is checked before torch is imported
    from ablate.training.reproduction import reproduce

    out = console()
    with _place(said.keep) as place:
        found = reproduce(record, place, allow_code=allow_code)
        if said.keep:
            out.print(f"Files: {escape(str(found.again.folder))}")
    for line in found.circumstances:
        out.print(f"[yellow]Otherwise than then:[/] {escape(line)}.")
    for line in found.differences:
        out.print(f"[red]Different:[/] {escape(line)}")
    if found.same:
        out.print("The same: every curve but time, the test metrics and the last weights, to the bit.")
    return int(not found.same)


@contextmanager
def _place(keep: str | None) -> Iterator[Path]:
    """Give the folder to train in: the one to keep, which has to be new, or one that is gone afterwards."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="ablate-") as folder:
            yield Path(folder)
        return
    place = Path(keep).absolute()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise ConfigError(f"--keep {keep} is there already. Name a new folder: a run in it would not be trained again.")
    yield place
