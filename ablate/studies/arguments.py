"""A study on the command line: ``study=NAME`` becomes the settings that it stands for, before the person's own."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ablate.composition import compose
from ablate.config import UNSCIENTIFIC_TRAINER
from ablate.errors import ConfigError
from ablate.studies.catalogue import study
from ablate.studies.definition import Study

FOLDER = "studies"
"""The sweep folder of all studies, so that they share the runs that are the same."""
_BUDGET = ("trainer.max_epochs", "trainer.max_steps")
_FREE = frozenset(
    {
        *("study", "seed", "name", "output_dir", "dry_run", "retry", "fail_fast", "workers", "runs_per_gpu", "stack"),
        *("quiet", "cost", *(f"trainer.{name}" for name in UNSCIENTIFIC_TRAINER)),
    }
)
"""Settings of whose change a study is still the same."""


def key_of(argument: str) -> str:
    """Return the key of ``key=value``."""
    return argument.partition("=")[0].lstrip("+")


def named(arguments: Sequence[str]) -> str | None:
    """Return the study that the settings name, if one."""
    found = [argument.partition("=")[2] for argument in arguments if key_of(argument) == "study"]
    return found[-1].strip("'\"") if found else None


def expanded(arguments: Sequence[str]) -> list[str]:
    """Return the settings with those of the study that they name before them, but for what they say themselves."""
    name = named(arguments)
    if name is None:
        return list(arguments)
    own = study(name)
    if own.exact:
        raise ConfigError(
            f"study={name} is a check of an exact property, and trains nothing: python -m ablate study={name} alone."
        )
    said = {key_of(argument) for argument in arguments}
    if said & {*_BUDGET}:
        said |= {*_BUDGET}
    return [*(f"{key}={value}" for key, value in settings(own).items() if key not in said), *arguments]


def overridden(one: Study, arguments: Sequence[str]) -> list[str]:
    """Return the settings with which this is no longer the study as it is written."""
    own = settings(one)
    told = {key_of(argument): argument for argument in arguments if not key_of(argument).startswith("hydra")}
    return [a for key, a in told.items() if key not in _FREE and a.partition("=")[2] != own.get(key)]


def settings(one: Study) -> dict[str, str]:
    """Return the settings of a study by key, a swept one with its levels."""
    levels: dict[str, list[str]] = {key: [text(level) for level in found] for key, found in one.vary.items()}
    for arm in one.arms.values():
        for key, level in arm.items():
            levels.setdefault(key, [])
            if text(level) not in levels[key]:
                levels[key].append(text(level))
    fixed = {key: text(value) for key, value in one.settings.items()}
    swept = {key: ",".join(found) for key, found in levels.items()}
    source = {"init_from": f"'{_source_hash(one)}'"} if one.before else {}
    if one.measure != "steps_to_target":
        fixed = {"calibration": "0", **fixed}  # what no target is needed for
    return {"name": FOLDER, **source, **fixed, **swept, "seed": f"range(0,{one.seeds})"}


def source(arguments: Sequence[str]) -> list[str]:
    """Return the sweep whose runs those of the named study start from, with the same seeds; nothing for no such."""
    name = named(arguments)
    if name is None or not (one := study(name)).before:
        return []
    said = {key_of(argument): argument for argument in expanded(arguments)}
    own = [said[key] for key in said if key in _FREE and key != "study"]
    return [*_before(one), *own]


def _before(one: Study) -> list[str]:
    return [f"{key}={text(value)}" for key, value in one.before.items()]


def _source_hash(one: Study) -> str:
    return compose(_before(one)).arm_hash


def command(one: Study) -> str:
    """Return the sweep that a study stands for, as it would be typed."""
    told = [f"{key}={value}" for key, value in settings(one).items() if key != "name"]
    return shlex.join(["python", "-m", "ablate", "-m", *told])


def text(value: Any) -> str:
    """Return a value of YAML as the command line has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(text, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{text(part)}' for key, part in value.items())}}}"
    return str(value)


def arm_of(one: Study, levels: Mapping[str, Any]) -> str | None:
    """Return the arm of ``one.arms`` with these levels, as far as they are told; None where there is none such."""
    told = {key: text(level) for key, level in levels.items() if level is not None}
    for name, arm in one.arms.items():
        if all(same(told[key], text(level)) for key, level in arm.items() if key in told):
            return name
    return None


def same(a: str, b: str) -> bool:
    """Return whether two levels are the same: as text, or as numbers."""
    if a == b:
        return True
    try:
        return float(a) == float(b)
    except ValueError:
        return False
