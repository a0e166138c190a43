"""A study as it is written down: YAML in, a checked definition out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from ablate.errors import ConfigError, did_you_mean

ARM = "arm"
"""What ``compare`` calls the arms of ``arms``, and figures too."""
VERDICTS = ("verdict", "result", "results", "outcome", "conclusion", "answer", "estimate", "interval", "found", "holds")
"""What a study may not say of itself."""

DIVERGED = "diverged"
RATIOS = ("steps_to_target", "seconds_per_step", "seconds", "parameters", "macs", "optimizer_state_bytes")
"""Measures that are compared as ratios, and whose margins are ratios."""
MEASURES = ("best", "final", "area", "oscillation", "gap", DIVERGED, *RATIOS)
"""What a study may measure beside the test's metrics, ``test/acc`` and the like."""
TEST = "test/"


class Expect(StrEnum):
    """What the claim says of the measure: the first of the two compared levels has more of it, less, or as much."""

    more = "more"
    less = "less"
    same = "same"


class Kind(StrEnum):
    """Whether the source says the claim, or has only a heading that it is a sensible reading of."""

    said = "said"
    heading = "heading"

    @property
    def told(self) -> str:
        """What it is called beside the source."""
        return "said there" if self is Kind.said else "a reading of its heading"


@dataclass(frozen=True)
class Source:
    """Where the claim stands."""

    file: str
    topic: str

    def __str__(self) -> str:
        return f"{self.file}, {self.topic}"


@dataclass(frozen=True)
class Study:
    """A claim and how it is tested: by training arms, or, for an exact property, by a check."""

    name: str
    claim: str
    claim_zh: str
    source: Source
    kind: Kind
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What all arms share, by the keys of the command line."""
    vary: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Factors and their levels: every combination is trained."""
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings that vary together, by the name of the arm."""
    seeds: int = 10
    before: Mapping[str, Any] = field(default_factory=dict)
    """The settings of a run that each arm starts from, seed by seed; trained first."""
    compare: tuple[str, Any, Any] | None = None
    """The factor, the level that the claim is about, and the one that it is compared with."""
    condition: str | None = None
    """The factor within whose levels it is compared: the claim may hold in some of them only."""
    measure: str = ""
    expect: Expect = Expect.more
    margin: float = 0.0
    """The smallest difference that matters, in the unit of the measure: points, a ratio, or as it is."""
    check: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    """The arguments of the check."""
    note: str = ""
    """A footnote: a slip of the source, or what the test leaves out."""

    @property
    def exact(self) -> bool:
        """Whether it is about an exact property."""
        return bool(self.check)

    @property
    def digest(self) -> str:
        """Eight hex digits of all that the study says."""
        said = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.sha256(said.encode()).hexdigest()[:8]

    @property
    def command(self) -> str:
        """What tests it."""
        return f"python -m ablate study={self.name}"


KEYS = tuple(one.name for one in fields(Study) if one.name != "name")


def read(path: Path) -> Study:
    """Return the study in a YAML file, called as the file is; raise ``ConfigError`` for what cannot be one."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"The study {path} cannot be read: {' '.join(str(error).split())}.") from error
    return parse(path.stem, tree)


def parse(name: str, tree: Any) -> Study:
    """Return the study that ``tree`` describes; raise ``ConfigError`` for what cannot be one."""
    try:
        return _study(name, tree)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"study {name}: {str(error).rstrip('.')}.") from error


def _study(name: str, tree: Any) -> Study:
    if not isinstance(tree, Mapping):
        raise TypeError(f"a study is a mapping with {', '.join(KEYS)}")
    for key in map(str, tree):
        if key in VERDICTS:
            raise ValueError(f"'{key}' is how it ends, which a study does not say: running it does. Take it out")
        if key not in KEYS:
            raise ValueError(f"there is no field '{key}'.{did_you_mean(key, KEYS)} Fields: {', '.join(KEYS)}")
    given = dict(tree)
    for key in ("claim", "claim_zh", "kind", "source"):
        if not given.get(key):
            raise ValueError(f"{key} is missing")
    source = given["source"]
    if not isinstance(source, Mapping) or set(source) != {"file", "topic"}:
        raise ValueError("source has a file and a topic")
    given["source"] = Source(str(source["file"]), str(source["topic"]))
    given["kind"] = _one_of(Kind, "kind", given["kind"])
    for key in ("claim", "claim_zh", "note"):
        given[key] = " ".join(str(given.get(key, "")).split())
    _check_test(given)
    if "compare" in given:
        given["compare"] = _compared(given)
        given["expect"] = _one_of(Expect, "expect", given["expect"])
        _check_measure(str(given["measure"]), float(given["margin"]), given["expect"])
    study = Study(name=name, **given)
    _check_condition(study)
    return study


def _check_test(given: Mapping[str, Any]) -> None:
    """Refuse what is neither of the two kinds of test, or both."""
    trained = ("compare", "measure", "expect", "margin")
    if given.get("check"):
        if wrong := [
            key for key in (*trained, "settings", "vary", "arms", "condition", "seeds", "before") if key in given
        ]:
            raise ValueError(f"{wrong[0]} belongs to what is trained, and this is a check. It takes 'given' alone")
        return
    if "given" in given:
        raise ValueError("'given' are the arguments of a check: name one")
    if missing := [key for key in trained if key not in given]:
        raise ValueError(f"{missing[0]} is missing; an exact property has a check instead")
    if not isinstance(given.get("seeds", 1), int) or given.get("seeds", 1) < 1:
        raise ValueError(f"seeds is how many there are, a whole number from 1 on, not {given['seeds']}")
    if not isinstance(given["margin"], int | float) or given["margin"] <= 0:
        raise ValueError(f"margin is the smallest difference that matters, a positive number, not {given['margin']}")


def _check_measure(measure: str, margin: float, expect: Expect) -> None:
    """Refuse what could not be judged, before anything is trained."""
    if measure not in MEASURES and not measure.startswith(TEST):
        raise ValueError(
            f"measure={measure}: there is no such measure.{did_you_mean(measure, MEASURES)} "
            f"Measures: {', '.join(MEASURES)}, and those of the test, such as test/acc"
        )
    if measure in RATIOS and margin <= 1:
        raise ValueError(f"margin of {measure} is a ratio, such as 1.1, and above 1, not {margin:g}")
    if measure == DIVERGED and expect is Expect.same:
        raise ValueError(f"expect: that two {DIVERGED} as often has no test; more or less has one")


def _compared(given: Mapping[str, Any]) -> tuple[str, Any, Any]:
    """Return ``{norm: [bn, none]}`` as the factor and its two levels, which are among those that are trained."""
    told = given["compare"]
    if not isinstance(told, Mapping) or len(told) != 1 or len(next(iter(told.values()))) != 2:
        raise ValueError("compare names one factor and two of its levels: {norm: [bn, none]}")
    ((factor, levels),) = told.items()
    known = list(given.get("arms", {})) if factor == ARM else list(given.get("vary", {}).get(factor, []))
    if unknown := [level for level in levels if level not in known]:
        raise ValueError(f"compare: {factor}={unknown[0]} is no level that is trained; there is {known}")
    if levels[0] == levels[1]:
        raise ValueError("compare: the two levels are the same")
    return str(factor), levels[0], levels[1]


def _check_condition(study: Study) -> None:
    if study.compare is None:
        return
    known = [*study.vary, *([ARM] if study.arms else [])]
    others = [factor for factor in known if factor != study.compare[0]]
    if study.condition is not None and study.condition not in others:
        raise ValueError(f"condition={study.condition} is none of the factors beside what is compared: {others}")
    if idle := [factor for factor in others if factor != study.condition]:
        raise ValueError(f"{idle[0]} is varied, but neither compared nor the condition")


def _one_of(kinds: type[StrEnum], key: str, value: Any) -> Any:
    if value not in [*kinds]:
        raise ValueError(f"{key} is one of {', '.join(kinds)}, not {value}")
    return kinds(value)
