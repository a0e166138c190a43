"""The arms of whichever design was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.designs.aliases import Aliases
from ablate.designs.factor import Arm, Factor, refuse_other_than_two_levels
from ablate.designs.fractional import fractional
from ablate.designs.full import full
from ablate.designs.loo import loo, without
from ablate.designs.ofat import ofat
from ablate.studies.arguments import arm_of
from ablate.studies.catalogue import study
from ablate.sweep_settings import Design, SweepSettings


@dataclass(frozen=True)
class Arranged:
    """The arms of a design, and what has to be said about it."""

    arms: tuple[Arm, ...]
    baseline: Arm
    """The arm that the others are compared with: where the design begins or, with all combinations, the one with each
    technique left out, as far as it has a level that means that."""
    aliases: Aliases | None = None
    """What a fraction cannot tell apart."""
    notes: tuple[str, ...] = ()

    def inestimable(self) -> list[list[str]]:
        """Return the factors and pairs of factors whose effects cannot be told from others."""
        effects = self.aliases.effects if self.aliases else ()
        return [list(effect) for effect in effects if self.aliases and not self.aliases.estimable(effect)]


def arranged(factors: Sequence[Factor], settings: SweepSettings) -> Arranged:
    """Return the arms of ``settings.design``; of a path those that are sure to be tried.

    Raises ``ConfigError`` where the factors do not suit the design.
    """
    match settings.design:
        case Design.full:
            off = {factor.key: without(factor.levels) or factor.levels[0] for factor in factors}
            if settings.study and (of := study(settings.study)).arms:
                own = tuple(arm for arm in full(factors) if arm_of(of, arm))
                return Arranged(own, off if off in own else own[0])
            return Arranged(tuple(full(factors)), off)
        case Design.ofat:
            arms = ofat(factors, settings.baseline)
            return Arranged(tuple(arms), arms[0])
        case Design.loo:
            arms = loo(factors)
            return Arranged(tuple(arms), arms[0])
        case Design.fractional:
            resolution = {} if settings.resolution is None else {"resolution": settings.resolution.name}
            fraction = fractional(factors, **resolution)
            notes = (*fraction.notes, *fraction.aliases.sentences())
            return Arranged(fraction.arms, fraction.arms[0], fraction.aliases, notes)
        case Design.path:
            refuse_other_than_two_levels(factors, "path")
            start = {factor.key: factor.levels[0] for factor in factors}
            steps = ({**start, factor.key: factor.levels[1]} for factor in factors)
            return Arranged((start, *steps, {factor.key: factor.levels[1] for factor in factors}), start)
