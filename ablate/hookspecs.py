"""The one hook through which options arrive, and the marker for implementing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pluggy

from ablate.techniques import Technique

PROJECT = "ablate"
Register: TypeAlias = Callable[[str, type[Technique]], None]

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_techniques(register: Register) -> None:
    """Call ``register(name, Technique)`` once for each option to add."""
