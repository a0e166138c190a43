"""One factor at a time: what each level does to a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablate.designs.factor import Arm, Factor
from ablate.errors import ConfigError, did_you_mean


def ofat(factors: Sequence[Factor], baseline: Mapping[str, str]) -> list[Arm]:
    """Return the baseline, then, factor by factor, the baseline with one level changed.

    A factor that ``baseline`` does not name stands at its first level. Raises ``ConfigError`` for a key that is not
    swept and for a level that its factor does not have.
    """
    levels = {factor.key: factor.levels for factor in factors}
    for key, level in baseline.items():
        if key not in levels:
            raise ConfigError(
                f"baseline={{{key}:{level}}}: {key} is not swept. "
                f"Swept factors: {', '.join(levels) or 'none'}.{did_you_mean(key, levels)}"
            )
        if level not in levels[key]:
            raise ConfigError(
                f"baseline={{{key}:{level}}}: {level} is no level of {key} in this sweep. "
                f"Levels: {', '.join(levels[key])}.{did_you_mean(level, levels[key])}"
            )
    base = {factor.key: baseline.get(factor.key, factor.levels[0]) for factor in factors}
    changed = [{**base, f.key: level} for f in factors for level in f.levels if level != base[f.key]]
    return [base, *changed]
