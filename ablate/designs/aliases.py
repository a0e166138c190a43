"""Which effects a design cannot tell apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Effect = tuple[str, ...]
"""A main effect, ``("norm",)``, or a two-factor interaction, ``("norm", "act")``."""

NAMED = 4
"""How many of the effects that share a column in part a sentence names."""


class Aliases:
    """The main effects and two-factor interactions whose columns in a two-level design are not orthogonal.

    The column of an effect is the product of its factors' columns. Two effects with the same column, up to sign, are
    aliased: the design measures their sum (or difference) only. Columns that are merely correlated are partly
    aliased: the contrast of one effect holds that share of the other. Interactions of three and more factors are
    taken to be none (Box, Hunter & Hunter 2005, Statistics for Experimenters, chapter 6).
    """

    def __init__(self, keys: Sequence[str], design: NDArray[np.float64]) -> None:
        """Compare the columns of ``design`` (arms, factors), −1 for low and +1 for high."""
        self.effects: tuple[Effect, ...] = (*((key,) for key in keys), *itertools.combinations(keys, 2))
        at = {key: index for index, key in enumerate(keys)}
        columns = np.stack([design[:, [at[key] for key in effect]].prod(axis=1) for effect in self.effects], axis=1)
        self._runs = len(design)
        self._products = np.rint(np.abs(columns.T @ columns)).astype(int)  # whole numbers: no tolerance is needed
        self._index = {frozenset(effect): index for index, effect in enumerate(self.effects)}

    def partners(self, effect: str | Effect) -> dict[Effect, Fraction]:
        """Return the effects that share the column of ``effect``, with the absolute correlation in (0, 1].

        A factor's key or a pair of keys, in either order; ``KeyError`` for anything else.
        """
        own = self._index[frozenset((effect,) if isinstance(effect, str) else effect)]
        return {
            other: Fraction(int(product), self._runs)
            for index, (other, product) in enumerate(zip(self.effects, self._products[own], strict=True))
            if product and index != own
        }

    def estimable(self, effect: str | Effect) -> bool:
        """Return whether no other main effect or two-factor interaction shares the column, in whole or in part.

        The answer holds as long as interactions of three and more factors are none.
        """
        return not self.partners(effect)

    def sentences(self) -> list[str]:
        """Return what is aliased with what, a line each; nothing for a design in which everything is clear."""
        lines = []
        told: set[Effect] = set()
        interactions_mix = False
        for effect in self.effects:
            partners = self.partners(effect)
            whole = [other for other, share in partners.items() if share == 1]
            if whole and effect not in told:
                lines.append(f"{name(effect)} is aliased with {_listed([name(other) for other in whole])}")
                told.update(whole)
            parts = {other: share for other, share in partners.items() if share < 1}
            if len(effect) == 1:
                lines += [_partly(effect, parts, share) for share in sorted(set(parts.values()), reverse=True)]
            else:
                interactions_mix |= any(len(other) == 2 for other in parts)
        if interactions_mix:
            lines.append("two-factor interactions are partly aliased with one another")
        return lines


def name(effect: Effect) -> str:
    """Return the effect as people write it: ``norm``, ``norm×act``."""
    return "×".join(effect)


def _partly(effect: Effect, parts: dict[Effect, Fraction], share: Fraction) -> str:
    others = [name(other) for other, its in parts.items() if its == share]
    if len(others) > NAMED + 1:
        others = [*others[:NAMED], f"{len(others) - NAMED} more"]
    return f"{name(effect)} is partly aliased (correlation {share}) with {_listed(others)}"


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
