"""What ``hydra/sweeper=optuna`` searches: the settings that are swept, but for the seed, each with its range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from ablate.errors import ConfigError
from ablate.overrides import parse, quoted, written

SWEEPER = "hydra/sweeper=optuna"


@dataclass(frozen=True)
class Dimension:
    """One setting and where its values are drawn from: ``choices``, or the interval from ``low`` to ``high``."""

    key: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    """Whether values are whole numbers."""
    step: int = 1

    def setting(self, value: object) -> str:
        """Return the setting with a value that was drawn."""
        return f"{self.key}={value if self.choices else written(value)}"


def split(settings: Sequence[str]) -> tuple[list[Dimension], list[str]]:
    """Return what is searched, and the settings that all trials share, the seeds among them.

    ``norm=bn,none`` is a choice, ``model.depth=range(1,5)`` whole numbers, ``opt.lr=interval(1e-4,1)`` an interval,
    ``opt.lr=tag(log,interval(1e-4,1))`` one on a logarithmic scale.
    """
    space, shared = [], []
    for text in quoted(settings):
        try:
            override = OverridesParser.create().parse_override(text)
        except HydraException:
            parse([text])  # which says what is wrong
            raise
        if override.is_sweep_override() and override.key_or_group != "seed":
            space.append(_dimension(override, text))
        else:
            shared.append(text)
    if not space:
        raise ConfigError(
            f"{SWEEPER} has nothing to search: write opt.lr=tag(log,interval(1e-4,1)), model.depth=range(1,5) or "
            "norm=bn,none."
        )
    return space, shared


def _dimension(override: Override, text: str) -> Dimension:
    key, value = override.key_or_group, override.value()
    tags: set[str] = getattr(value, "tags", set())
    if unknown := tags - {"log"}:
        raise ConfigError(f"{text}: the only tag is log, not {', '.join(sorted(unknown))}.")
    log = "log" in tags
    if isinstance(value, IntervalSweep):
        assert value.start is not None
        assert value.end is not None
        whole = isinstance(value.start, int) and isinstance(value.end, int)
        if not value.start < value.end or (log and value.start <= 0):
            raise ConfigError(f"{text}: an interval goes from less to more, and on a logarithmic scale from above 0.")
        return Dimension(key, low=value.start, high=value.end, log=log, whole=whole)
    if isinstance(value, RangeSweep) and all(isinstance(one, int) for one in (value.start, value.stop, value.step)):
        numbers = [int(float(str(one))) for one in override.sweep_string_iterator()]
        if log and (abs(int(value.step)) > 1 or min(numbers, default=1) < 1):
            raise ConfigError(f"{text}: on a logarithmic scale whole numbers go from 1 or more by ones.")
        if numbers:
            return Dimension(key, low=min(numbers), high=max(numbers), log=log, whole=True, step=abs(int(value.step)))
    if log:
        raise ConfigError(f"{text}: only an interval or whole numbers have a logarithmic scale.")
    if isinstance(value, ChoiceSweep | RangeSweep) and (levels := parse([text])[0].levels):
        return Dimension(key, choices=levels)
    raise ConfigError(f"{text}: this cannot be searched. Write an interval, a range or a,b,c.")
