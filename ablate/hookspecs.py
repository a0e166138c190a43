"""The hooks through which options, studies and checks arrive, and the marker for implementing them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeAlias

import pluggy

from ablate.exact import Checked
from ablate.techniques import Technique

PROJECT = "ablate"
Register: TypeAlias = Callable[[str, type[Technique]], None]
Check: TypeAlias = Callable[..., Checked]
RegisterStudies: TypeAlias = Callable[[str | os.PathLike[str]], None]
RegisterChecks: TypeAlias = Callable[[str, Check], None]

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_techniques(register: Register) -> None:
    """Call ``register(name, Technique)`` once for each option to add."""


@hookspec
def register_studies(register: RegisterStudies) -> None:
    """Call ``register(path)`` with a folder of studies, one YAML file each, or with one such file."""


@hookspec
def register_checks(register: RegisterChecks) -> None:
    """Call ``register(name, check)`` once for each exact property that a study can name; it returns ``Checked``."""


HOOKS = ("register_techniques", "register_studies", "register_checks")
