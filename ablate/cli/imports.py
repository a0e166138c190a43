"""The verb ``import``: runs that were not made by ablate become records."""

from __future__ import annotations

import argparse
import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rich.markup import escape

from ablate.config import Config
from ablate.designs.calibration import AUTO, REACHED
from ablate.errors import ConfigError, did_you_mean
from ablate.imports.assigned import Assignment, assign
from ablate.imports.found import Found
from ablate.imports.mapping import Mapping, from_file, pairs
from ablate.report.style import console

FORMS = ("tb", "csv", "mlflow")
_SETTINGS = ("name", "output_dir", "target")
_USAGE = (
    "import tb|csv|mlflow PATH [--factor NAME=FROM] … [--seed FROM] [--metric NAME] [--mode max|min] "
    "[--curve NAME=THEIRS] … [--step COLUMN] [--experiment NAME] [--map FILE.yaml] [name=…] [target=…] [output_dir=…]"
)


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing a usage of its own and leaving."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"import: {message}. Write {_USAGE}.")


def import_(arguments: Sequence[str] = ()) -> None:
    """Write the runs below PATH as records, and say what they were taken for."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("form", choices=FORMS)
    parser.add_argument("path")
    for flag in ("--factor", "--curve"):
        parser.add_argument(flag, action="append", default=[])
    for flag in ("--seed", "--metric", "--mode", "--step", "--experiment"):
        parser.add_argument(flag)
    parser.add_argument("--map", type=Path)
    said = {a.partition("=")[0]: a.partition("=")[2] for a in arguments if a.partition("=")[0] in _SETTINGS}
    rest = [a for a in arguments if a.partition("=")[0] not in _SETTINGS]
    given = parser.parse_args(rest)
    mapping = from_file(given.map) if given.map else Mapping()
    mapping = mapping.updated(
        Mapping(
            factors=pairs("--factor", given.factor),
            curves=pairs("--curve", given.curve),
            seed=given.seed,
            step=given.step,
            metric=given.metric,
            mode=given.mode,
            experiment=given.experiment,
        )
    )
    found, problems, name = _read(given.form, given.path, mapping)
    if not found:
        raise ConfigError(f"import {given.form} {given.path}: there are no runs. {''.join(problems)}".strip())
    made = assign(found, mapping)
    made.notes += [problem.rstrip(".") for problem in problems]
    config_name = said.get("name") or re.sub(r"[^A-Za-z0-9.,+=_-]", "_", name).lstrip(".")[:200] or "imported"
    folder = _folder(Path(said.get("output_dir") or Config.output_dir), config_name)
    typed = shlex.join(["python", "-m", "ablate", "import", *arguments])
    target = _target(said.get("target"))
    # here, so that what is asked for is checked first
    from ablate.imports.write import write

    source = given.path if "://" in given.path else str(Path(given.path).absolute())
    records = write(made, folder, given.form, source, typed, target)
    _tell(made, folder, len(records), len({record.facts.arm_hash for record in records}))


def _read(form: str, path: str, mapping: Mapping) -> tuple[list[Found], list[str], str]:
    """Return the runs, what cannot be read of them, and what their folder may be called."""
    root = Path(path)
    if form == "mlflow":
        from ablate.imports import mlflow_runs

        runs, experiment = mlflow_runs.read(path, mapping.experiment)
        return runs, [], experiment
    if form == "csv":
        from ablate.imports import tables

        named = [source for source in (*mapping.factors.values(), mapping.seed) if source]
        return *tables.read(root, mapping.step, named), root.absolute().stem
    from ablate.imports import tb

    return *tb.read(root), root.absolute().name


def _folder(root: Path, name: str) -> Path:
    try:
        Config(name=name)
    except ValueError as error:
        raise ConfigError(f"{error}.") from error
    return root / name


def _target(text: str | None) -> float | str:
    if text is None or text in (AUTO, REACHED):
        return text or AUTO
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(
            f"target={text}: a value of the metric, {AUTO} or {REACHED}.{did_you_mean(text, (AUTO, REACHED))}"
        )
    return value


def _tell(made: Assignment, folder: Path, runs: int, arms: int) -> None:
    out = console()
    seeds = len({run.seed for run in made.runs})
    better = "higher" if made.higher_is_better else "lower"
    out.print(
        f"{runs} runs: {arms} arms, {seeds} seeds. Factors: {escape(', '.join(made.factors))}. Judged by "
        f"{escape(made.metric)}, {better} is better."
    )
    if made.renamed:
        told = ", ".join(f"{old} as {new}" for old, new in made.renamed.items())
        out.print(f"Curves are called otherwise here: {escape(told)}.")
    for note in made.notes:
        out.print(f"[yellow]{escape(note[0].upper() + note[1:])}.[/]")
    out.print(f"Files:       {escape(str(folder))}", soft_wrap=True)
    out.print(f"Report:      python -m ablate report {escape(str(folder))}", soft_wrap=True)
