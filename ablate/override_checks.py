"""Command-line settings, checked before Hydra composes them.

Hydra accepts several settings that would train something else than the person meant: an appended key that nothing
reads, a parameter that the chosen option does not have, a key given twice. Each is refused or pointed out here, in
one sentence with the way out.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from ablate.config import TrainerConfig
from ablate.errors import ConfigError, did_you_mean
from ablate.overrides import OF_SWEEP, SETTINGS, Setting
from ablate.registry import registry
from ablate.techniques import KINDS

_FIXED = frozenset({"name", "label", "output_dir", "logger", "allow_code", *OF_SWEEP} - {"tune"})
"""What belongs to a whole sweep and has one value in it."""


def check(
    settings: Sequence[Setting],
    *,
    sweep: bool,
    defaults: Mapping[str, str],
    presets: Collection[str] = (),
) -> list[str]:
    """Raise ``ConfigError`` for the first setting that cannot be meant; return warnings.

    ``defaults`` maps each kind to its option when nothing is said; ``presets`` names the config groups that
    come from YAML files rather than plugins.
    """
    for setting in settings:
        if setting.swept and not sweep:
            several = setting.key == "reg" and all(level != "none" and level.isidentifier() for level in setting.levels)
            both = f" For all in one run write reg=[{','.join(setting.levels)}]." if several else ""
            raise ConfigError(
                f"{setting.text} is a sweep over {len(setting.levels)} levels: add -m, or in Python call ablate.sweep."
                f"{both}"
            )
        if setting.swept and setting.key in _FIXED:
            raise ConfigError(f"{setting.text}: {setting.key} belongs to a whole sweep and cannot be swept.")
    chosen = {s.key: s.levels for s in settings if s.key in KINDS}
    uses_preset = any(s.key in presets for s in settings)
    notes = []
    for setting in settings:
        if setting.key in presets:
            continue
        if setting.key in KINDS:
            _check_choice(setting)
        elif setting.root in KINDS:
            if not uses_preset:  # a preset may choose any option: what it lacks is found after composition
                notes += _check_parameter(setting, chosen.get(setting.root) or _unsaid(setting.root, chosen, defaults))
        else:
            _check_plain(setting, presets)
    if any(s.key == "init_head" and s.levels == ("scratch",) for s in settings):
        raise ConfigError(
            "init_head=scratch alone loads nothing: leave init_from and init_head out, or sweep "
            "init_head=scratch,keep to compare."
        )
    if {"trainer.max_epochs", "trainer.max_steps"} <= {s.key for s in settings}:
        raise ConfigError("trainer.max_epochs and trainer.max_steps both set the budget: give one of them.")
    return _repeated(settings) + notes


def _unsaid(kind: str, chosen: Mapping[str, Sequence[str]], defaults: Mapping[str, str]) -> tuple[str, ...]:
    """Return the options of a kind of which nothing is said: a model may have a default of its own."""
    models = chosen.get("model", (defaults["model"],))
    return tuple(dict.fromkeys(registry().defaults(model).get(kind, defaults[kind]) for model in models))


def _check_choice(setting: Setting) -> None:
    kind = setting.key
    if setting.prefix:
        raise ConfigError(f"{setting.text}: {kind} is always set; write {setting.text.lstrip('+')}.")
    for level in setting.levels:
        names = option_names(kind, level)
        for name in names:
            _check_no_path(kind, name)
            registry().get(kind, name)
        if len(set(names)) < len(names) or ("none" in names and len(names) > 1):
            raise ConfigError(f"{kind}={level}: each option stands once in a list, and none stands alone.")


def _check_no_path(kind: str, name: str) -> None:
    """Say where a file or folder belongs that stands in the place of an option."""
    options = registry().options(kind)
    readers = [each.name for each in options.values() if any(field.name == "path" for field in each.fields)]
    if readers and name not in options and _is_path(name):
        raise ConfigError(
            f"{kind}={name}: a file or folder is given to an option that reads it: {kind}=NAME {kind}.path={name}, "
            f"with NAME one of {', '.join(readers)}."
        )


def _is_path(name: str) -> bool:
    with suppress(OSError, ValueError):  # a name that no file can have
        if Path(name).exists():
            return True
    return "/" in name or re.search(r"\w\.[A-Za-z]\w*$", name) is not None


def option_names(kind: str, level: str) -> list[str]:
    """Return the options in a level such as ``bn`` or ``[l2,dropout]``."""
    value = OverridesParser.create().parse_override(f"{kind}={level}").value()
    names: list[Any] = value if isinstance(value, list) else [value]
    if isinstance(value, list) and kind != "reg":
        raise ConfigError(f"{kind}={level}: {kind} takes one option; only reg takes a list.")
    if None in names:
        options = registry().options(kind)
        none = f" Write {kind}=none for 'no technique'." if "none" in options else ""
        raise ConfigError(f"{kind}={level}: null is no option of {kind}.{none} Options: {', '.join(options)}.")
    return [str(name) for name in names]


def applies(key: str, level: str) -> bool:
    """Say whether the parameter under ``key``, ``norm.eps``, belongs to what ``level`` chooses of its kind."""
    kind, _, rest = key.partition(".")
    names = option_names(kind, level)
    name, _, parameter = rest.partition(".") if kind == "reg" else (names[0], "", rest)
    return name in names and parameter.partition(".")[0] in _parameters(kind, name)


def _parameters(kind: str, name: str) -> list[str]:
    return [field.name for field in registry().get(kind, name).fields]


def _check_parameter(setting: Setting, levels: Sequence[str]) -> list[str]:
    """Refuse ``norm.eps`` unless a chosen level of ``norm`` has it; return a note where only some have."""
    kind, _, rest = setting.key.partition(".")
    without = [level for level in levels if not applies(setting.key, level)]
    if not without:
        return []
    if len(without) < len(levels):
        where = " and ".join(f"{kind}={level}" for level in without)
        return [f"{setting.key} has no meaning for {where}: trained without it{', once' * setting.swept}."]
    names = option_names(kind, levels[0])
    if kind == "reg":
        name, _, parameter = rest.partition(".")
        if owners := [n for n in names if rest in _parameters("reg", n)]:
            raise ConfigError(f"{setting.text}: write reg.{owners[0]}.{rest}; reg may hold several regularizers.")
        if name not in names:
            raise ConfigError(
                f"{setting.text}: reg={levels[0]} does not include {name}. Choose it as well (reg=[…,{name}])."
            )
    else:
        name, parameter = names[0], rest
    fields = _parameters(kind, name)
    has = f"it has {', '.join(fields)}" if fields else "it has no parameters"
    raise ConfigError(
        f"{setting.text}: {kind}={name} has no parameter '{parameter}' ({has}).{did_you_mean(parameter, fields)}"
    )


def _check_plain(setting: Setting, presets: Collection[str]) -> None:
    if setting.root not in SETTINGS:
        known = (*SETTINGS, *presets)
        full = [key for key in _all_keys() if key.rpartition(".")[2] == setting.key]
        if full:
            raise ConfigError(f"{setting.text}: write {' or '.join(full)}.")
        raise ConfigError(
            f"{setting.text}: there is no setting '{setting.root}'.{did_you_mean(setting.root, known)} "
            f"Settings: {', '.join(known)}."
        )
    if setting.root == "trainer":
        fields = [f.name for f in dataclasses.fields(TrainerConfig)]
        if setting.key == "trainer":
            raise ConfigError(
                f"{setting.text}: trainer is a group of settings: trainer.max_epochs=5, {', '.join(fields)}."
            )
        if (name := setting.key.partition(".")[2]) not in fields:
            raise ConfigError(
                f"{setting.text}: trainer has no setting '{name}'.{did_you_mean(name, fields)} "
                f"Settings: {', '.join(fields)}."
            )
    elif setting.key not in SETTINGS:
        raise ConfigError(f"{setting.text}: {setting.root} is a plain value and has no parts.")


def _all_keys() -> list[str]:
    """Return every dotted key there is: the trainer's settings and the parameters of all options."""
    keys = {f"trainer.{f.name}": None for f in dataclasses.fields(TrainerConfig)}
    for kind in KINDS:
        for option in registry().options(kind).values():
            prefix = f"reg.{option.name}" if kind == "reg" else kind
            keys |= {f"{prefix}.{f.name}": None for f in option.fields}
    return list(keys)


def full_keys(named: Sequence[str]) -> list[str]:
    """Return the parameters that ``tune`` names, in full: ``opt.lr`` for ``lr``. Raises ``ConfigError`` for others."""
    known = [key for key in _all_keys() if not key.startswith("trainer.")]
    short = {key: key.rpartition(".")[2] for key in known}
    found = []
    for name in named:
        full = [key for key in known if name in (key, short[key])]
        if f"opt.{name}" in full:  # what is tuned before anything else
            full = [f"opt.{name}"]
        if len(full) != 1:
            which = f"write {' or '.join(full)}" if full else "no option has such a parameter"
            raise ConfigError(f"tune={name}: {which}.{did_you_mean(name, [*known, *short.values()])}")
        found += full
    return found


def _repeated(settings: Sequence[Setting]) -> list[str]:
    last: dict[str, Setting] = {}
    warnings = []
    for setting in settings:
        if setting.key in last:
            warnings.append(
                f"{setting.key} is given twice: {last[setting.key].text} is ignored, {setting.text} counts."
            )
        last[setting.key] = setting
    return warnings
