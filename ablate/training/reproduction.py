"""A run done again from its record alone, and what came out differently."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ablate.composition import config_loader, load
from ablate.config import Config, to_config
from ablate.curves import Curves
from ablate.errors import ConfigError
from ablate.overrides import written
from ablate.record import Record
from ablate.source import locate
from ablate.training.checkpoints import LAST, CheckpointError
from ablate.training.checkpoints import load as load_checkpoint
from ablate.training.run import run

_TIMES = frozenset({"time/step"})
_WHERE = ("accelerator", "strategy", "threads")
"""Trainer settings that are no part of an arm, but decide how numbers are rounded."""


@dataclass(frozen=True)
class Reproduction:
    """A run, the same run done again, and in words how results and circumstances differ."""

    original: Record
    again: Record
    differences: list[str]
    circumstances: list[str]

    @property
    def same(self) -> bool:
        """Whether the results are the same to the bit."""
        return not self.differences


def reproduce(record: Record, output_dir: Path, *, allow_code: bool = False) -> Reproduction:
    """Train the run of ``record`` again, under ``output_dir``; raise ``ConfigError`` where that is not possible.

    ``allow_code`` is not the record's to say: it may be a stranger's.
    """
    if not record.status.done:
        raise ConfigError(f"{record.folder} is {record.status}: only a run that has ended by itself can be compared.")
    settings = overrides_of(record)
    with config_loader() as loader:
        config = to_config(load(loader, [*settings, f"output_dir={written(str(output_dir))}"]))
    config.label, config.allow_code = record.facts.arm, allow_code
    data = record.facts.data or {}
    if (then := data.get("content")) is not None and then != config.data.content():
        raise ConfigError(
            f"{data.get('path')} has changed since {record.folder} was trained on it: it held {then} and holds "
            f"{config.data.content()}. Put the earlier one back to repeat the run."
        )
    again = run(config, overrides=settings)
    return Reproduction(record, again, differences(record, again), circumstances(record, again, config))


def overrides_of(record: Record) -> list[str]:
    """Return overrides that say every scientific setting of the record, so that no default matters."""
    facts = record.facts
    settings = dict(facts.settings)
    if place := (facts.data or {}).get("path"):
        settings["data.path"] = str(place)
    if reference := settings.get("init_from"):
        where = (facts.transfer or {}).get("folder", "") if "@" in str(reference) else reference  # of a file, its path
        settings["init_from"] = str(locate(str(where), str(record.folder.parents[2])).place.absolute())
    try:
        trainer = record.config["trainer"]
        settings |= {f"trainer.{name}": trainer[name] for name in _WHERE if name in trainer}
    except (OSError, ValueError, KeyError, TypeError):  # config.yaml is for people; the record has all that counts
        pass
    choices = [f"{kind}={settings.pop(kind)}" for kind in facts.choices]
    said = [f"{key}={written(value)}" for key, value in settings.items()]
    return [*choices, *said, f"seed={facts.seed}", f"name={written(record.folder.parents[1].name)}"]


def differences(one: Record, two: Record) -> list[str]:
    """Return a sentence for each result that is not the same; none where all are."""
    found = []
    if one.status is not two.status:
        found.append(f"It {one.status} then and {two.status} now.")
    found += _curves(one.curves(), two.curves())
    for name in {**one.facts.test, **two.facts.test}:
        then, now = one.facts.test.get(name), two.facts.test.get(name)
        if then != now:
            found.append(f"{name} was {then} and is {now}.")
    return found + _weights(one.folder / LAST, two.folder / LAST)


def _curves(one: Curves, two: Curves) -> list[str]:
    found = []
    for name in [name for name in {**one, **two} if name not in _TIMES]:
        a, b = one.get(name), two.get(name)
        if a is None or b is None:
            found.append(f"The curve {name} is there {'now' if a is None else 'then'} only.")
        elif len(a) != len(b):
            found.append(f"The curve {name} had {len(a)} points and has {len(b)}.")
        elif not np.array_equal(a, b, equal_nan=True):
            found.append(f"The curve {name} differs by up to {_largest(torch.from_numpy(a), torch.from_numpy(b))}.")
    return found


def _weights(one: Path, two: Path) -> list[str]:
    try:
        a, b = (load_checkpoint(path)["state_dict"] for path in (one, two))
    except FileNotFoundError as error:
        return [f"The last weights cannot be compared: there is no {error.filename}."]
    except CheckpointError as error:
        return [f"The last weights cannot be compared: {error}."]
    if a.keys() != b.keys() or any(a[name].shape != b[name].shape for name in a):
        return ["The network has other weights."]
    unequal = [name for name in a if not torch.equal(a[name], b[name])]
    if not unequal:
        return []
    largest = max((_largest(a[name], b[name]) for name in unequal), key=float)
    return [f"{len(unequal)} of {len(a)} tensors of the last weights differ, by up to {largest}."]


def _largest(a: Tensor, b: Tensor) -> str:
    """Return the largest difference of two tensors; infinity where only one of two numbers is finite."""
    apart = (a.double() - b.double()).abs()
    apart = torch.where(a.isnan() & b.isnan(), torch.zeros_like(apart), apart).nan_to_num(math.inf, math.inf)
    return f"{float(apart.max()):.3g}"


def circumstances(one: Record, two: Record, config: Config) -> list[str]:
    """Return in words what was otherwise: versions, machine, state of the code."""
    then, now = one.facts, two.facts
    found = _changed("version of", then.versions, now.versions)
    if then.machine:
        found += _changed("machine's", then.machine, now.machine)
    commits = [(facts.git or {}).get("commit") for facts in (then, now)]
    if commits[0] != commits[1]:
        found.append(f"commit: {commits[0]} then, {commits[1]} now")
    if any((facts.git or {}).get("dirty") for facts in (then, now)):
        found.append("the code had changes that are in no commit: see git.diff in both folders")
    for facts, when in ((then, "then"), (now, "now")):
        if facts.stack:
            found.append(f"it trained in step with {len(facts.stack)} others {when}, which rounds otherwise: stack=off")
    if config.arm_hash != then.arm_hash:
        found.append(f"arm: {then.arm_hash} then, {config.arm_hash} now, as versions or settings are others")
    return found


def _changed(what: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"{what} {name}: {then.get(name)} then, {now.get(name)} now"
        for name in {**then, **now}
        if then.get(name) != now.get(name)
    ]
