"""A run as somebody's tracker has it, before it is known what is a factor."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ablate.curves import LAST_STEP
from ablate.facts import Status
from ablate.shapes import read_text

HYDRA = Path(".hydra") / "config.yaml"
_DEPTH = 20
"""Parameters that are nested deeper are left out."""
_MOST = 10_000
"""Nodes of a file of parameters: those beyond are left out. By its aliases a small file can have any number."""


@dataclass
class Found:
    """One run: what it was given, and what it logged."""

    place: str
    """Where it lies, below what was named: a path with ``/``, or a tracker's name of it."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """By dotted name; values are JSON's."""
    rows: dict[int, dict[str, float]] = field(default_factory=dict)
    """The curves: by step, what was logged there."""
    typed: frozenset[str] = frozenset()
    """The parameters that a person gave on the command line, where that is known."""
    status: Status = Status.finished
    started: str | None = None
    seconds: float | None = None

    def add(self, step: float, name: str, value: float) -> None:
        """Add a point of a curve; a step that is none is left out."""
        if math.isfinite(step) and 0 <= step <= LAST_STEP:
            self.rows.setdefault(int(step), {})[name] = value

    @property
    def curves(self) -> set[str]:
        """The names of its curves."""
        return {name for row in self.rows.values() for name in row}


class _Loader(yaml.SafeLoader):
    """Safe, and null for what is tagged as an object of some program: the rest of the file is worth reading."""


_Loader.add_multi_constructor("", lambda loader, suffix, node: None)


def parameters_near(folder: Path, root: Path) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the parameters in the files that Lightning and Hydra leave beside a run, and which of them were typed.

    ``hparams.yaml`` in the run's ``folder``, and ``.hydra/config.yaml`` there or above it, up to ``root``.
    """
    found = flattened(read_yaml(folder / "hparams.yaml"))
    typed: frozenset[str] = frozenset()
    for above in (folder, *folder.parents):
        if (above / HYDRA).is_file():
            found |= flattened(read_yaml(above / HYDRA))
            overrides = read_yaml(above / HYDRA.parent / "overrides.yaml")
            if isinstance(overrides, list):
                typed = frozenset(str(one).partition("=")[0].lstrip("+~").replace("/", ".") for one in overrides)
            break
        if above == root:
            break
    return found, typed


def read_yaml(path: Path) -> Any:
    """Return what a YAML file says, objects left out; None where there is none, or one that cannot be read."""
    try:
        return yaml.load(read_text(path), _Loader)
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError):
        return None


def flattened(tree: Any) -> dict[str, Any]:
    """Return the leaves of nested mappings by their dotted name, as JSON's values."""
    nodes = itertools.islice(_nodes(tree, "", 0), _MOST)
    return {name: leaf for name, node in nodes if name and (leaf := _leaf(node)) is not _NO_LEAF}


def _nodes(tree: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    yield name, tree
    if isinstance(tree, Mapping) and depth <= _DEPTH:
        for key, part in tree.items():
            yield from _nodes(part, f"{name}.{key}".lstrip("."), depth + 1)


_NO_LEAF = object()


def _leaf(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list) and all(isinstance(one, bool | int | float | str) for one in value):
        return [_leaf(one) for one in value]
    return _NO_LEAF


def in_order(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts 2 before 10."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part[:18]), part) if part.isdecimal() else (0, 0, part) for part in parts]


def inside(root: Path, pattern: str) -> Iterator[Path]:
    """Yield the files below ``root`` that match, but for those that lie elsewhere and are only linked to."""
    home = root.resolve()
    for path in root.rglob(pattern):
        if path.is_file() and path.resolve().is_relative_to(home):
            yield path
