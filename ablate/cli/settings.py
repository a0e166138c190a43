"""The command line's settings, checked before torch is imported and before Hydra composes."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ablate import composition, override_checks, overrides, search_space
from ablate.errors import ConfigError
from ablate.search_space import SWEEPER
from ablate.studies.arguments import expanded, named

_HYDRA = re.compile(r"[+~]*hydra[./=]")


@dataclass(frozen=True)
class CommandLine:
    """Arguments, told apart."""

    arguments: tuple[str, ...]
    """All of them."""
    flags: tuple[str, ...]
    """Hydra's own, with their values."""
    given: tuple[str, ...]
    """All settings as they were written, those of a study first."""
    settings: tuple[str, ...]
    """Those that are ours, as Hydra can read them."""
    hydra: tuple[str, ...]
    """Settings of Hydra itself, such as hydra/launcher=joblib."""
    sweep: bool
    answered: bool
    """Whether Hydra answers by itself: --cfg, --info, shell completion."""
    completed: bool
    """Whether it is half a command, which a shell wants completed."""
    config_dir: str | None
    """The folder of somebody's presets."""

    @property
    def needs_workers(self) -> bool:
        """Whether worker processes are going to train, if there is anything to train."""
        elsewhere = any(setting.startswith("hydra/launcher=") for setting in self.hydra)
        here = {"workers=0", "dry_run=true", SWEEPER} & {*self.settings, *self.hydra}
        return self.sweep and not (self.answered or elsewhere or here)

    @property
    def for_hydra(self) -> list[str]:
        """What Hydra composes at first: it would compose the settings as if nothing of them were swept.

        Flags first: Hydra's parser does not know settings on both sides of one.
        """
        shown = [s for s in self.settings if s.partition("=")[0].lstrip("+") not in overrides.OF_SWEEP]
        return [*self.flags, *self.hydra, *(shown if self.answered else ())]


def read(arguments: Sequence[str]) -> CommandLine:
    """Tell flags from settings and check the settings; raise ``ConfigError`` for what cannot be meant."""
    command = parse(arguments)
    check(command)
    return command


def parse(arguments: Sequence[str]) -> CommandLine:
    """Tell flags from settings, without a look at what the settings say."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("-sc", "--shell-completion", action="store_true")
    parser.add_argument("-cd", "--config-dir")
    parser.add_argument("-cn", "--config-name")
    parser.add_argument("-cp", "--config-path")
    for short, long in (("-c", "--cfg"), ("-p", "--package")):  # their values are no settings
        parser.add_argument(short, long)
    parser.add_argument("-i", "--info", action="store_true")
    parser.add_argument("--hydra-help", action="store_true")
    flags, rest = parser.parse_known_args(arguments)
    settings = [argument for argument in rest if not argument.startswith("-")]
    dashed = [argument for argument in rest if argument.startswith("-")]
    if wrong := [a for a in dashed if re.split("[=.]", a.lstrip("-"))[0] in overrides.SETTINGS]:
        raise ConfigError(f"{wrong[0]}: settings are written without dashes, as in norm=bn.")
    search = SWEEPER in settings
    if any(argument.startswith("hydra/sweeper=") for argument in settings if argument != SWEEPER):
        raise ConfigError(
            "hydra/sweeper: the sweeper is ablate's own, which resumes and reports; leave it out, or search with "
            f"{SWEEPER}."
        )
    if search and not flags.multirun:
        raise ConfigError(f"{SWEEPER} searches over several runs: add -m.")
    if flags.config_name or flags.config_path:
        raise ConfigError(
            "--config-name and --config-path would replace ablate's own configuration. Put presets as groups of YAML "
            "files into a folder, --config-dir FOLDER, and choose one with +group=name."
        )
    others = tuple(argument for argument in arguments if argument not in settings)
    sweep = flags.multirun
    if named(settings) is not None and not flags.shell_completion:
        settings, sweep = expanded(settings), True
        others = others if flags.multirun else (*others, "-m")
    hydra = tuple(setting for setting in settings if _HYDRA.match(setting))
    own = tuple(overrides.quoted([setting for setting in settings if setting not in hydra]))
    answered = flags.shell_completion or flags.hydra_help or flags.info or flags.cfg is not None
    return CommandLine(
        arguments=tuple(arguments),
        flags=others,
        given=tuple(settings),
        settings=own,
        hydra=hydra,
        sweep=sweep,
        answered=answered,
        completed=flags.shell_completion,
        config_dir=flags.config_dir,
    )


def check(command: CommandLine) -> None:
    """Raise ``ConfigError`` for settings that cannot be meant: Hydra's own errors name no choices and no way out."""
    if command.completed:
        return
    given = list(command.given)
    if SWEEPER in given:
        _, given = search_space.split([setting for setting in given if not _HYDRA.match(setting)])
    with composition.config_loader() as loader:
        presets = set(composition.presets(loader))
        parsed = overrides.parse(given, loader)
    if command.config_dir and (folder := Path(command.config_dir)).is_dir():
        presets |= {entry.name for entry in folder.iterdir() if entry.is_dir()}
    override_checks.check(parsed, sweep=command.sweep, defaults=composition.defaults(), presets=presets)
