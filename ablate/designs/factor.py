"""What designs are made of: factors with their levels, and arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablate.errors import ConfigError


@dataclass(frozen=True)
class Factor:
    """A swept setting and its levels, as on the command line."""

    key: str
    levels: tuple[str, ...]


Arm = Mapping[str, str]
"""The level of each factor."""


def refuse_other_than_two_levels(factors: Sequence[Factor], design: str) -> None:
    """Raise ``ConfigError`` where a ``design`` of two levels a factor is asked for anything else."""
    if not factors:
        raise ConfigError(f"design={design} needs a factor: sweep a setting over two levels, norm=bn,none.")
    for factor in factors:
        if len(factor.levels) != 2:
            raise ConfigError(
                f"design={design} takes two levels a factor, and {factor.key}={','.join(factor.levels)} has "
                f"{len(factor.levels)}. Name two of them, or take design=full or design=ofat."
            )
