"""What a name stands for that is to be compared: a run, an arm or a sweep, read from its folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

from ablate.analysis.words import counted
from ablate.errors import ConfigError, did_you_mean
from ablate.record import Record, find, read
from ablate.results import Sweep, open_sweep
from ablate.source import folder_of
from ablate.sweep_facts import sweep_folders

LISTED = 8


@dataclass(frozen=True, eq=False)
class Side:
    """One of those that are compared."""

    letter: str
    """``A``, ``B``, …: what it is called in tables."""
    given: str
    """What was typed."""
    sweep: Sweep
    """Its runs. Those of a run or an arm have no factors."""
    problems: tuple[str, ...] = ()
    """A sentence for each record that cannot be read."""

    @property
    def arms(self) -> list[str]:
        """The hashes of its arms, in the order of the sweep."""
        return list(dict.fromkeys(record.facts.arm_hash for record in self.sweep.records))

    @property
    def is_sweep(self) -> bool:
        """Whether it has several arms."""
        return len(self.arms) > 1

    @property
    def name(self) -> str:
        """A sweep's name, or what an arm is called."""
        return self.sweep.name if self.is_sweep else self.sweep.label(self.sweep.records[0])

    @property
    def home(self) -> Path:
        """The folder of the sweep that it is, or is from."""
        return self.sweep.records[0].folder.parents[1]

    @property
    def seeds(self) -> list[int]:
        """The seeds of its runs."""
        return sorted({record.facts.seed for record in self.sweep.records})

    @property
    def done(self) -> list[Record]:
        """The runs that came to an end by themselves."""
        return [record for record in self.sweep.records if record.status.done]


def sides(names: Sequence[str], root: Path) -> list[Side]:
    """Return what the names stand for: a run's folder, an arm's, or a sweep's; ``<hash>`` or ``<hash>/seed=<n>``; a
    sweep's name, or the path of any of them below ``root``, where sweeps are.

    Raises ``ConfigError`` for fewer than two, a name that nothing has, the same runs twice, and a sweep beside an arm.
    """
    if len(names) < 2:
        raise ConfigError(
            "compare takes two or more arms, runs or sweeps: python -m ablate compare 3fa9c1d2 9c1d23fa. "
            "`python -m ablate runs` lists them."
        )
    if len(names) > len(ascii_uppercase):
        raise ConfigError(f"compare takes at most {len(ascii_uppercase)}, not {len(names)}.")
    found = [_side(letter, name, root) for letter, name in zip(ascii_uppercase, names, strict=False)]
    known: dict[frozenset[Path], Side] = {}
    for side in found:
        runs = frozenset(record.folder.resolve() for record in side.sweep.records)
        if runs in known:
            same = "run" if len(runs) == 1 else counted(len(runs), "run")
            raise ConfigError(
                f"compare: {known[runs].given} and {side.given} are the same {same}, in "
                f"{side.sweep.folder}. Name two that differ."
            )
        known[runs] = side
    if len({side.is_sweep for side in found}) > 1:
        many = next(side for side in found if side.is_sweep)
        one = next(side for side in found if not side.is_sweep)
        listed = ", ".join(many.arms[:LISTED]) + (", …" if len(many.arms) > LISTED else "")
        raise ConfigError(
            f"compare: {many.given} is a sweep of {len(many.arms)} arms, {one.given} is one arm. Compare sweeps with "
            f"sweeps, or name the sweep's arm: {listed}."
        )
    return found


def _side(letter: str, name: str, root: Path) -> Side:
    for folder in (Path(name), root / name, folder_of(name, str(root))):
        if folder is not None and (side := _at(folder, letter, name)) is not None:
            return side
    sweeps = [folder.name for folder in sweep_folders(root)]
    raise ConfigError(
        f"There is no run, arm or sweep '{name}' in {root}.{did_you_mean(name, _known(root))} "
        f"Sweeps there: {', '.join(sweeps) or 'none'}; `python -m ablate runs` lists their arms. output_dir=… says "
        "where to look."
    )


def _at(folder: Path, letter: str, name: str) -> Side | None:
    """Return the run, arm or sweep in ``folder``; None where there is none."""
    folder = folder.resolve()  # "." has neither a name nor parents
    if (folder / "record.json").is_file():
        record = read(folder)
        return Side(letter, name, Sweep(record.facts.arm, folder, [record], []))
    if any(folder.glob("seed=*/record.json")):
        records, problems = find(folder)
        if not records:
            raise ConfigError(f"compare {name}: {problems[0]}")
        return Side(letter, name, Sweep(records[0].facts.arm, folder, records, []), tuple(problems))
    if any(folder.glob("*/seed=*/record.json")):
        return Side(letter, name, open_sweep(folder), tuple(find(folder)[1]))
    return None


def _known(root: Path) -> Iterator[str]:
    """Yield every name that could have been meant."""
    for run in (path for sweep in sweep_folders(root) for path in sorted(sweep.glob("*/seed=*/record.json"))):
        arm = run.parents[1]
        digest = arm.name.rpartition("-")[2]
        yield from (arm.parent.name, digest, f"{digest}/{run.parent.name}", f"{arm.parent.name}/{arm.name}")
