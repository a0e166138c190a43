"""Which arms are compared with which, so that everything else is equal."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablate.analysis.convergence import Floats
from ablate.analysis.inference import SMOKE
from ablate.analysis.table import ABSENT, Bools, Ints, Table, label

Cell = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Pairing:
    """Groups of arms that differ in nothing but what is compared.

    ``cells[c][g]`` are the arms of group g (two for a contrast, four for a contrast of contrasts) in cell c: one
    combination of the other factors. There is more than one arm where a factor has a meaning in some groups only, and
    all arms of a group stand in one cell where the design is an orthogonal fraction.
    """

    cells: tuple[tuple[Ints, ...], ...]
    fraction: bool = False
    """Whether the groups are balanced against one another as a whole, and not arm by arm."""
    clear: bool = True
    """Whether, in a fraction, pairs of the other factors are balanced, too: no interaction of theirs mixes in."""
    over: tuple[str, ...] = ()
    """The other factors of which there is more than one level: what is averaged over."""
    names: tuple[str, ...] = ()
    """What each cell is called by them: ``act=relu``."""

    def groups(self) -> list[Ints]:
        """Return the arms of each group over all cells."""
        return [np.concatenate(arms) for arms in zip(*self.cells, strict=True)]

    def used(self, complete: Bools, shape: tuple[int, ...], group: int | None = None) -> Bools:
        """Return which runs (arms, seeds) of all groups or one are in a complete cell, of (cells, seeds)."""
        found = np.zeros(shape, dtype=bool)
        for cell, seeds in zip(self.cells, complete, strict=True):
            found[np.concatenate(cell) if group is None else cell[group]] |= seeds
        return found

    def means(self, values: Floats) -> Floats:
        """Return means of ``values`` (arms, seeds) over each group's arms, (groups, cells, seeds); NaN without one."""
        return np.array([[values[arms].mean(axis=0) for arms in cell] for cell in self.cells]).swapaxes(0, 1)


def pair(table: Table, groups: Sequence[Bools], compared: Sequence[str]) -> Pairing | None:
    """Return how groups of arms are compared, or None if the design has no arms that can be.

    In a grid, and wherever factors are varied one at a time, every cell of the other factors that has arms of all
    groups is a comparison. In an orthogonal fraction no cell has; there the groups are compared as a whole if each
    other factor has its levels equally often in all of them (for a contrast of contrasts: each pair of other factors,
    too).
    """
    others = [at for at, factor in enumerate(table.factors) if factor not in compared]
    absent = [[bool((table.codes[group][:, at] == ABSENT).all()) for group in groups] for at in others]
    shared = [at for at, flags in zip(others, absent, strict=True) if len(set(flags)) == 1]
    keyed: list[dict[Cell, list[int]]] = []
    for group in groups:
        cells: dict[Cell, list[int]] = {}
        for arm in np.flatnonzero(group):
            cells.setdefault(tuple(table.codes[arm, shared].tolist()), []).append(int(arm))
        keyed.append(cells)
    common = [cell for cell in keyed[0] if all(cell in cells for cells in keyed)]
    if not all(len(cells) == len(common) for cells in keyed) and all(keyed):
        alone = _balanced(table, groups, [(at,) for at in shared])
        clear = _balanced(table, groups, list(itertools.combinations(shared, 2)))
        if alone and (clear or len(groups) == 2):
            over = tuple(table.factors[at] for at in shared)
            return Pairing((tuple(np.flatnonzero(group) for group in groups),), fraction=True, clear=clear, over=over)
    if not common:
        return None
    varied = [(place, at) for place, at in enumerate(shared) if len({cell[place] for cell in common}) > 1]
    return Pairing(
        tuple(tuple(np.array(cells[cell]) for cells in keyed) for cell in common),
        over=tuple(table.factors[at] for _, at in varied),
        names=tuple(",".join(_level(table, at, cell[place]) for place, at in varied) for cell in common),
    )


def _level(table: Table, at: int, code: int) -> str:
    """Return ``act=relu``, or ``no norm.eps`` where the factor has no meaning."""
    factor = table.factors[at]
    return f"no {factor}" if code == ABSENT else f"{factor}={label(table.levels[factor][code])}"


def _balanced(table: Table, groups: Sequence[Bools], margins: Sequence[tuple[int, ...]]) -> bool:
    """Return whether each combination of factors has its levels in the same shares in all groups."""
    for margin in margins:
        counts = [Counter(map(tuple, table.codes[group][:, margin].tolist())) for group in groups]
        totals = [counted.total() for counted in counts]
        first, total = counts[0], totals[0]
        for counted, size in zip(counts[1:], totals[1:], strict=True):
            if any(first[key] * size != counted[key] * total for key in first | counted):
                return False
    return True


@dataclass(frozen=True, eq=False)
class Differences:
    """Per-seed differences of one contrast, and what they were made of."""

    values: Floats
    """One per seed that is used."""
    complete: int
    """Comparisons, one per cell and seed, that are used; every run of them has a value."""
    planned: int
    """Cells times seeds."""
    used: Bools
    """(cells, seeds): which are used: the same cells in every seed."""
    counts: Ints
    """(cells,): in how many seeds each is complete."""
    sides: Floats
    """(groups, seeds): the mean of each group over the cells that are used."""

    @property
    def kept(self) -> Bools:
        """Which cells are used, (cells,)."""
        found: Bools = np.array(self.used.any(axis=1))
        return found


def differences(pairing: Pairing, values: Floats, weights: Sequence[int]) -> Differences:
    """Return the weighted sum of the groups' means in each cell, averaged within each seed over the same cells.

    ``values`` (arms, seeds) on the scale of the test; ``weights`` one per group: (1, −1) for a contrast, (1, −1, −1,
    1) for a contrast of contrasts. Only seeds are used in which every cell is complete: seeds that average over other
    cells would have differences of their own, and no effect in common. Where that leaves fewer than five seeds, the
    cells that are complete in the fewest are given up instead.
    """
    means = pairing.means(values)  # (groups, cells, seeds)
    contrast = np.tensordot(np.array(weights, dtype=float), means, axes=1)  # (cells, seeds)
    known = np.isfinite(contrast)
    cells = _kept(known)
    seeds: Bools = np.array(known[cells].all(axis=0)) if len(cells) else known[0]  # nowhere
    used = np.zeros_like(known)
    used[np.ix_(cells, seeds)] = True
    per_seed = contrast[np.ix_(cells, seeds)].sum(axis=0) / max(1, len(cells))
    sides = means[:, cells][:, :, seeds].sum(axis=1) / max(1, len(cells))
    return Differences(per_seed, int(used.sum()), used.size, used, known.sum(axis=1), sides)


def _kept(known: Bools) -> Ints:
    """Return the cells of (cells, seeds) that are to be averaged over: all, if enough seeds have all of them."""
    counts = known.sum(axis=1)
    enough = SMOKE if counts.max(initial=0) >= SMOKE else 1
    order = np.argsort(-counts, kind="stable")
    for size in range(len(order), 0, -1):
        if known[order[:size]].all(axis=0).sum() >= enough:
            return np.sort(order[:size])
    return order[:0]
