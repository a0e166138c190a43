"""The errors a person can mend: each is one sentence that names the culprit, the choices and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AblateError(Exception):
    """Base of every error that is shown as one sentence, without a traceback."""


class ConfigError(AblateError):
    """A setting that is unknown, of the wrong type, out of range, or that would change nothing."""


class PluginError(AblateError):
    """A plugin that breaks the contract: duplicate name, wrong base class, misspelled hook."""


class RecordError(AblateError):
    """A run folder that cannot be used: busy, unreadable or unwritable."""


class EngineError(AblateError):
    """Worker processes that cannot be started."""


class BusyError(RecordError):
    """A run that another process is training, or has taken over from this one."""


class DamageWarning(UserWarning):
    """A file that could not be read, and was set aside or left out."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest of ``choices``, or nothing."""
    by_lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f" Did you mean '{by_lower[close[0]]}'?" if close else ""
