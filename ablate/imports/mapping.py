"""What a person says of runs that ablate did not make: what are factors, where the seed stands, what judges them."""

from __future__ import annotations

import re
from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from ablate.errors import ConfigError, did_you_mean
from ablate.imports.found import Found

NAME = re.compile(r"[A-Za-z_][\w./@-]{0,99}")
ORDER = "order"
"""The seed of runs that have none: their number within the arm, in the order of their paths."""
MODES = ("max", "min")
_OPEN = "{}"


@dataclass(frozen=True)
class Pick:
    """Where a value comes from: a parameter by its name, or a part of the run's path.

    A text with ``{}`` is a pattern of the path below what was named: ``{}`` is the value, ``*`` anything within a
    folder's name, and the rest is as it stands; it may match any whole folders of the path, ``norm={}`` for one.
    """

    source: str

    def of(self, run: Found) -> Any:
        """Return the value; None where the run has none."""
        if _OPEN not in self.source:
            return run.parameters.get(self.source)
        parts = (re.escape(part).replace(r"\*", "[^/]*") for part in self.source.split(_OPEN, 1))
        found = re.search(f"(?:^|/){'([^/]+?)'.join(parts)}(?:/|$)", run.place)
        return found[1] if found else None


@dataclass(frozen=True)
class Mapping:
    """Its fields are the keys of a mapping file, and flags of the command line."""

    factors: Map[str, str] = field(default_factory=dict)
    """By name, where its level comes from: see ``Pick``. Without any, what was typed or varies."""
    curves: Map[str, str] = field(default_factory=dict)
    """By the name that it gets, the curve: ``{"val/loss": "my loss"}``."""
    seed: str | None = None
    """Where the seed comes from; ``order`` where there is none."""
    step: str | None = None
    """Of tables: the column of steps."""
    metric: str | None = None
    """What runs are judged by, as it is called then."""
    mode: str | None = None
    """``max`` or ``min``: which way the metric is better, where its name does not say."""
    experiment: str | None = None
    """Of MLflow: which of several."""

    def __post_init__(self) -> None:
        for name in self.factors:
            if not NAME.fullmatch(name):
                raise ConfigError(f"--factor {name}: a factor is called by letters, digits and . _ / @ -.")
        for name in (*self.factors.values(), self.seed or ""):
            if name.count(_OPEN) > 1:
                raise ConfigError(f"{name}: a pattern leaves one place open, {{}}; * stands for anything else.")
        if self.mode not in (None, *MODES):
            raise ConfigError(f"--mode {self.mode}: max or min.")

    def updated(self, other: Mapping) -> Mapping:
        """Return this with what ``other`` says: factors and curves are added to, all else is replaced."""
        said = {one.name: value for one in fields(other) if (value := getattr(other, one.name)) is not None}
        said |= {"factors": {**self.factors, **other.factors}, "curves": {**self.curves, **other.curves}}
        return replace(self, **said)


def pairs(flag: str, texts: Sequence[str]) -> dict[str, str]:
    """Return what ``--factor NAME=FROM`` says; without ``=``, a name stands for itself."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, source = text.partition("=")
        if not name or (sign and not source):
            raise ConfigError(f"{flag} {text}: write {flag} NAME=FROM.")
        if name in found:
            raise ConfigError(f"{flag} {name} is there twice.")
        found[name] = source or name
    return found


def from_file(path: Path) -> Mapping:
    """Return the mapping that a YAML file holds; raise ``ConfigError`` for what it cannot mean."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"--map {path} cannot be read: {str(error).splitlines()[0]}.") from error
    known = [one.name for one in fields(Mapping)]
    if not isinstance(content, dict):
        raise ConfigError(f"--map {path}: it holds keys with values. Keys: {', '.join(known)}.")
    for key, value in content.items():
        if key not in known:
            raise ConfigError(
                f"--map {path}: there is no key '{key}'.{did_you_mean(str(key), known)} Keys: {', '.join(known)}."
            )
        if key in ("factors", "curves"):
            if isinstance(value, list) and all(isinstance(one, str) for one in value):
                content[key] = {one: one for one in value}
            elif not isinstance(value, dict) or not all(isinstance(one, str) for pair in value.items() for one in pair):
                raise ConfigError(f"--map {path}: {key} holds names, each with where it comes from: norm: model.norm.")
        elif value is not None and not isinstance(value, str):
            raise ConfigError(f"--map {path}: {key} is a text, not {value!r}.")
    return Mapping(**content)
