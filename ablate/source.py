"""Where ``init_from`` points: the arm, run or file whose weights another run starts from.

Known by content, not by place: a source is told by the hash in its records, a file by its own, so that what is moved
changes no identity. Nothing here reads weights.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ablate.designs.apart import is_apart
from ablate.errors import ConfigError
from ablate.shapes import read_json

_REFERENCE = re.compile(r"([0-9a-f]{8})(?:/seed=(\d+))?")
_LISTED = 8


@dataclass(frozen=True)
class Source:
    """An arm, whose runs are taken seed by seed, or one of its runs."""

    folder: Path
    arm_hash: str
    seed: int | None
    """Of the one run; None for an arm."""

    @property
    def place(self) -> Path:
        """Where it lies."""
        return self.folder

    @property
    def each_seed(self) -> bool:
        """Whether each seed has weights of its own."""
        return self.seed is None

    @property
    def reference(self) -> str:
        """``3fa9c1d2`` or ``3fa9c1d2/seed=0``: the source whatever folder it lies in."""
        return self.arm_hash if self.seed is None else f"{self.arm_hash}/seed={self.seed}"

    def run(self, seed: int) -> Path:
        """Return the folder that a run of ``seed`` starts from; raise ``ConfigError`` where it is missing."""
        if self.seed is not None:
            return self.folder
        run = self.folder / f"seed={seed}"
        if not (run / "record.json").is_file():
            seeds = sorted(_identity(run)[1] for run in _runs(self.folder))
            raise ConfigError(
                f"init_from={self.reference}: this arm has no run with seed={seed}, which a run with seed={seed} would "
                f"start from. Seeds there: {', '.join(map(str, seeds))}. Train it, or name one run for all seeds: "
                f"\"init_from='{self.arm_hash}/seed={seeds[0]}'\"."
            )
        return run


@dataclass(frozen=True)
class WeightsFile:
    """Weights that lie in a file: the same for every seed."""

    place: Path
    digest: str
    each_seed: bool = False

    @property
    def reference(self) -> str:
        """``resnet18.pth@3fa9c1d2``: its name and the hash of its content."""
        return f"{self.place.name}@{self.digest}"


WEIGHTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
"""How files of weights are called."""


@functools.lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]


def locate(text: str, output_dir: str) -> Source | WeightsFile:
    """Return what ``init_from=text`` names: a file, a run's or arm's folder, ``<hash>`` or ``<hash>/seed=<n>``.

    A hash is looked for in the folders of all sweeps under ``output_dir``. Raises ``ConfigError`` where there is
    no such run.
    """
    if (file := Path(text)).is_file():
        about = file.stat()
        return WeightsFile(file, _digest(file.absolute(), about.st_size, about.st_mtime_ns))
    if file.suffix in WEIGHTS:
        raise ConfigError(f"init_from={text}: there is no such file of weights.")
    folder = _find(text, output_dir) if _REFERENCE.fullmatch(text) else Path(text)
    if (folder / "record.json").is_file():
        return Source(folder, *_identity(folder))
    if runs := _runs(folder):
        return Source(folder, _identity(runs[0])[0], None)
    if not folder.is_dir():
        raise ConfigError(
            f"init_from={text}: there is no folder {folder}. Give a run's folder, an arm's folder, or an arm's hash; "
            "`python -m ablate runs` lists them. A name with = or , needs quotes of its own: "
            "\"init_from='outputs/…/seed=0'\"."
        )
    arms = [f"{_identity(runs[0])[0]} ({arm.name})" for arm in sorted(folder.iterdir()) if (runs := _runs(arm))]
    there = f" Arms there: {', '.join(arms[:_LISTED])}{', …' if len(arms) > _LISTED else ''}." if arms else ""
    raise ConfigError(f"init_from={text}: {folder} is no run and no arm: it holds no record.json.{there}")


def folder_of(reference: str, output_dir: str) -> Path | None:
    """Return where the arm or run lies that ``<hash>`` or ``<hash>/seed=<n>`` names; None where there is none.

    Several sweeps may have it. Runs of one hash and seed are alike, so the arm with most of them serves best; seeds
    that something was decided on are not those that people report.
    """
    match = _REFERENCE.fullmatch(reference)
    arms = [arm for arm in sorted(Path(output_dir).glob(f"*/*-{match[1]}")) if _runs(arm)] if match else []
    if not (match and arms):
        return None
    arm = max(arms, key=lambda arm: (not is_apart(arm.parent.name), sum(map(_has_finished, _runs(arm)))))
    return arm / f"seed={match[2]}" if match[2] else arm


def _find(reference: str, output_dir: str) -> Path:
    folder = folder_of(reference, output_dir)
    if folder is None:
        raise ConfigError(
            f"init_from={reference[:8]}: no arm under {output_dir} has this hash. `python -m ablate runs` lists them; "
            "output_dir=… says where to look."
        )
    return folder


def _runs(arm: Path) -> list[Path]:
    return sorted(path.parent for path in arm.glob("seed=*/record.json"))


def _has_finished(run: Path) -> bool:
    try:
        return bool(read_json(run / "record.json")["status"] == "finished")
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _identity(run: Path) -> tuple[str, int]:
    """Return the arm's hash and the seed that the record in ``run`` holds."""
    try:
        content = read_json(run / "record.json")
        return str(content["arm_hash"]), int(content["seed"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"init_from: {run / 'record.json'} cannot be read as a run's record.") from error
