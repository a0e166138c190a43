"""Command-line settings, checked before Hydra composes them.

Hydra accepts several settings that would train something else than the person meant: an appended key that
nothing reads, a parameter that only some swept options have, a key given twice. Each is refused or pointed
out here, in one sentence with the way out.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ablate.config import Config, TrainerConfig, is_scientific
from ablate.errors import ConfigError, did_you_mean
from ablate.registry import registry
from ablate.sweep_settings import SweepSettings
from ablate.techniques import KINDS

OF_SWEEP = tuple(f.name for f in dataclasses.fields(SweepSettings))
SETTINGS = (*(f.name for f in dataclasses.fields(Config)), *OF_SWEEP)
_AS_TYPED = {
    "True": "true",
    "False": "false",
    "None": "null",
}  # Hydra prints Python's words; text keeps its quotes
_REFERENCES = re.compile(r"(?<=[=,])[0-9a-f]{8}(/seed=\d+)?(?=,|$)")
_OF_WHOLE_SWEEP = frozenset({"name", "label", "output_dir", *OF_SWEEP} - {"tune"})


@dataclass(frozen=True)
class Setting:
    """One ``key=value`` of the command line; a swept one is a factor with its levels."""

    key: str
    levels: tuple[str, ...]
    text: str
    swept: bool = False
    prefix: str = ""

    @property
    def root(self) -> str:
        """The part of the key before the first dot."""
        return self.key.partition(".")[0]


def parse(arguments: Sequence[str], loader: ConfigLoader | None = None) -> list[Setting]:
    """Parse Hydra overrides, leaving out those of Hydra's own configuration; ``loader`` resolves ``glob``."""
    arguments = quoted(arguments)
    try:
        parsed = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
    except HydraException as error:
        if own := [text for text in arguments if text.startswith("init_from=") and not _readable(text)]:
            raise ConfigError(
                f"{own[0]}: this cannot be read, as = and , mean something of their own. Put the folder into quotes "
                "inside the shell's, \"init_from='outputs/…/seed=0'\", or give the arm's hash: init_from=3fa9c1d2."
            ) from error
        reason = str(error).splitlines()[0].rstrip(".").removeprefix("LexerNoViableAltException: ")
        raise ConfigError(
            f"{reason}: this cannot be read. Settings are written key=value, odd characters in quotes."
        ) from error
    return [_setting(o) for o in parsed if not o.key_or_group.startswith("hydra")]


def quoted(arguments: Sequence[str]) -> list[str]:
    """Put into quotes what follows ``init_from=`` where it is plain what is meant, but not to Hydra.

    That is one existing folder, whose name may hold = and , and hashes: 1234e567 would be a number.
    """

    def quote(text: str) -> str:
        key, _, value = text.partition("=")
        if key.lstrip("+") != "init_from" or "'" in value:
            return text
        if Path(value).is_dir():
            return f"{key}='{value}'"
        return _REFERENCES.sub(r"'\g<0>'", text)

    return [quote(text) for text in arguments]


def _readable(text: str) -> bool:
    try:
        OverridesParser.create().parse_override(text)
    except HydraException:
        return False
    return True


def sweep_settings(settings: Sequence[Setting]) -> SweepSettings:
    """Return what ``settings`` say of the whole sweep; raise ``ConfigError`` for a value that is none."""
    tree = OmegaConf.structured(SweepSettings)
    for setting in (s for s in settings if s.key in OF_SWEEP):
        value = OverridesParser.create().parse_override(setting.text).value()
        try:
            OmegaConf.update(tree, setting.key, list(setting.levels) if setting.key == "tune" else value)
        except OmegaConfBaseException as error:
            raise ConfigError(f"{setting.text}: {str(error).splitlines()[0].rstrip('.')}.") from error
    try:
        made = OmegaConf.to_object(tree)
    except ValueError as error:
        raise ConfigError(f"{error}.") from error
    assert isinstance(made, SweepSettings)
    return made


def _setting(override: Override) -> Setting:
    text = override.input_line or ""
    key = override.key_or_group
    if "${" in text:
        raise ConfigError(f"{text}: a setting cannot refer to others (${{…}}), or seeds and arms would be mixed up.")
    if override.is_delete():
        choices = f" Write {key}=none for 'no technique'." if key in KINDS and "none" in registry().options(key) else ""
        raise ConfigError(f"{text}: a setting cannot be deleted, only changed.{choices}")
    prefix = "++" if override.is_force_add() else "+" if override.is_add() else ""
    if not override.is_sweep_override():
        return Setting(key, (str(override.get_value_element_as_str()),), text, prefix=prefix)
    if not override.is_discrete_sweep():
        raise ConfigError(f"{text}: an interval has no finite number of levels. Write range(…), choice(…) or a,b,c.")
    levels = [_AS_TYPED.get(level, level) for level in override.sweep_string_iterator()]
    if not levels:
        raise ConfigError(f"{text} is empty. range(0,10) counts from 0 to 9.")
    if twice := [level for level in levels if levels.count(level) > 1]:
        raise ConfigError(f"{text}: the level {twice[0]} is there twice. Write each once.")
    return Setting(key, tuple(levels), text, swept=True, prefix=prefix)


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
            raise ConfigError(
                f"{setting.text} is a sweep over {len(setting.levels)} levels: add -m, or in Python call ablate.sweep."
            )
        if setting.swept and setting.key in _OF_WHOLE_SWEEP:
            raise ConfigError(f"{setting.text}: {setting.key} belongs to a whole sweep and cannot be swept.")
    chosen = {s.key: s.levels for s in settings if s.key in KINDS}
    uses_preset = any(s.key in presets for s in settings)
    for setting in settings:
        if setting.key in presets:
            continue
        if setting.key in KINDS:
            _check_choice(setting)
        elif setting.root in KINDS:
            if not uses_preset:  # a preset may choose any option: what it lacks is found after composition
                _check_parameter(setting, chosen.get(setting.root, (defaults[setting.root],)))
        else:
            _check_plain(setting, presets)
    if any(s.key == "init_head" and s.levels == ("scratch",) for s in settings):
        raise ConfigError(
            "init_head=scratch alone loads nothing: leave init_from and init_head out, or sweep "
            "init_head=scratch,keep to compare."
        )
    if {"trainer.max_epochs", "trainer.max_steps"} <= {s.key for s in settings}:
        raise ConfigError("trainer.max_epochs and trainer.max_steps both set the budget: give one of them.")
    return _repeated(settings)


def _check_choice(setting: Setting) -> None:
    kind = setting.key
    if setting.prefix:
        raise ConfigError(f"{setting.text}: {kind} is always set; write {setting.text.lstrip('+')}.")
    for level in setting.levels:
        names = option_names(kind, level)
        for name in names:
            registry().get(kind, name)
        if len(set(names)) < len(names) or ("none" in names and len(names) > 1):
            raise ConfigError(f"{kind}={level}: each option stands once in a list, and none stands alone.")


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


def _check_parameter(setting: Setting, levels: Sequence[str]) -> None:
    """Refuse ``norm.eps`` unless every chosen level of ``norm`` has it."""
    kind, _, rest = setting.key.partition(".")
    for level in levels:
        names = option_names(kind, level)
        if kind == "reg":
            name, _, parameter = rest.partition(".")
            owners = [n for n in names if rest in [f.name for f in registry().get("reg", n).fields]]
            if owners:
                raise ConfigError(f"{setting.text}: write reg.{owners[0]}.{rest}; reg may hold several regularizers.")
            if name not in names:
                raise ConfigError(
                    f"{setting.text}: reg={level} does not include {name}. Choose it as well (reg=[…,{name}]), or run "
                    f"the levels with {name} in a sweep of their own: sweeps of one name share a folder and a report."
                )
        else:
            name, parameter = names[0], rest
        option = registry().get(kind, name)
        fields = [f.name for f in option.fields]
        if parameter.partition(".")[0] in fields:
            continue
        has = f"it has {', '.join(fields)}" if fields else "it has no parameters"
        way_out = ""
        if len(levels) > 1:
            way_out = (
                f" Run {kind}={name} in a sweep of its own, without {setting.key}: "
                "sweeps of one name share a folder and a report."
            )
        raise ConfigError(
            f"{setting.text}: {kind}={name} has no parameter '{parameter}' ({has})."
            f"{did_you_mean(parameter, fields)}{way_out}"
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


def label(settings: Sequence[Setting], values: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    """Name an arm by what was said about it: ``norm=bn,opt=sgd``, or ``default`` where nothing was.

    ``values`` holds the level of each swept factor in this arm. A choice that repeats the default says
    nothing, nor does the data or model that already names the folder, unless it is swept.
    """
    parts = []
    for key, setting in {s.key: s for s in settings}.items():
        if not is_scientific(key):
            continue
        said = setting.levels[0] != defaults.get(key) and key not in ("data", "model")
        if setting.swept or said:
            parts.append(f"{key}={values.get(key, setting.levels[0])}")
    return ",".join(parts) or "default"
