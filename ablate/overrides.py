"""Command-line settings: read, told apart from those of the whole sweep, and named as an arm."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ablate.config import Config, is_scientific
from ablate.errors import ConfigError, did_you_mean
from ablate.registry import registry
from ablate.sweep_settings import Design, Resolution, Retry, SweepSettings
from ablate.techniques import KINDS

OF_SWEEP = tuple(f.name for f in dataclasses.fields(SweepSettings))
CHOICES = {"design": [*Design.__members__], "resolution": [*Resolution.__members__], "retry": [*Retry.__members__]}
SETTINGS = (*(f.name for f in dataclasses.fields(Config)), *OF_SWEEP)
_AS_TYPED = {
    "True": "true",
    "False": "false",
    "None": "null",
}  # Hydra prints Python's words; text keeps its quotes
_REFERENCES = re.compile(r"(?<=[=,])[0-9a-f]{8}(/seed=\d+)?(?=,|$)")


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
        if open_ := [text for text in arguments if not _readable(text) and text.rstrip().endswith(",")]:
            raise ConfigError(f"{open_[0]}: a level is missing after the comma.") from error
        reason = str(error).splitlines()[0].rstrip(".").removeprefix("LexerNoViableAltException: ")
        raise ConfigError(
            f"{reason}: this cannot be read. Settings are written key=value, odd characters in quotes."
        ) from error
    return [_setting(o) for o in parsed if not o.key_or_group.startswith("hydra")]


def quoted(arguments: Sequence[str]) -> list[str]:
    """Put into quotes what follows ``init_from=`` and ``data.path=`` where it is plain what is meant, but not to Hydra.

    That is one existing file or folder, whose name may hold = and , and hashes: 1234e567 would be a number. What
    follows ``logger=`` is put into brackets: a list, and no sweep.
    """

    def quote(text: str) -> str:
        key, _, value = text.partition("=")
        if key.lstrip("+") == "data.path" and value and "'" not in value and Path(value).expanduser().exists():
            return f"{key}='{value}'"
        if key.lstrip("+") == "logger" and value and not value.startswith("["):
            return f"{key}=[{value}]"
        if key.lstrip("+") != "init_from" or "'" in value:
            return text
        if Path(value).exists():
            return f"{key}='{value}'"
        return _REFERENCES.sub(r"'\g<0>'", text)

    return [quote(text) for text in arguments]


def written(value: Any) -> str:
    """Return ``value`` as Hydra's grammar writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = re.sub(r"(\\+)(?=\"|$)", r"\1\1", value).replace('"', r"\"")
        return f'"{escaped}"'
    if isinstance(value, list | tuple):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{name}:{written(part)}' for name, part in value.items())}}}"
    return repr(value)


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
            choices = CHOICES.get(setting.key, [])
            raise ConfigError(
                f"{setting.text}: {str(error).splitlines()[0].rstrip('.')}.{did_you_mean(str(value), choices)}"
            ) from error
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
    if not text.partition("=")[2].strip():
        raise ConfigError(f"{text} is empty: write a value behind it.")
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


def label(settings: Sequence[Setting], values: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    """Name an arm by what was said about it: ``norm=bn,opt=sgd``, or ``default`` where nothing was.

    ``values`` holds the level of each swept factor in this arm. A choice that repeats the default says
    nothing, nor does the data, its file or the model that already names the folder, unless it is swept.
    """
    parts = []
    for key, setting in {s.key: s for s in settings}.items():
        if not is_scientific(key):
            continue
        said = setting.levels[0] != defaults.get(key) and key not in ("data", "data.path", "model")
        if setting.swept or said:
            parts.append(f"{key}={values.get(key, setting.levels[0])}")
    return ",".join(parts) or "default"
