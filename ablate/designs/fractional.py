"""A fraction of the two-level full factorial, and what it cannot tell apart."""

from __future__ import annotations

import itertools
import math
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablate.designs.aliases import Aliases
from ablate.designs.factor import Arm, Factor, refuse_other_than_two_levels
from ablate.errors import ConfigError, did_you_mean
from ablate.lazy import pyDOE3

RESOLUTIONS = {"III": 3, "IV": 4, "V": 5}
PLACKETT_BURMAN = "plackett_burman"

SEARCHED = 20_000
"""How many sets of generators are compared at most; with more to compare, the first that will do is taken."""


@dataclass(frozen=True)
class Fractional:
    """The arms of a fraction in run order, and what is to be said about it."""

    arms: tuple[Arm, ...]
    aliases: Aliases
    notes: tuple[str, ...]
    """How large the fraction is and what it rests on, a sentence each."""


def fractional(factors: Sequence[Factor], resolution: str = "IV") -> Fractional:
    """Return the smallest 2^(k−p) fraction of at least this resolution, or the Plackett-Burman design.

    III: main effects may be aliased with two-factor interactions; IV: with none, but interactions with one another;
    V: both are clear. IV is the default: that techniques interact is the rule, so that main effects of resolution III
    cannot be believed, while V halves nothing below five factors. Low is a factor's first level, high its second, and
    the first arm has every factor at its first level. Where only the full factorial has the resolution, it is
    returned and a note says so.

    Raises ``ConfigError`` for a factor that has not two levels and for an unknown resolution.

    Box & Hunter 1961 (Technometrics 3(3), 311-351); Fries & Hunter 1980, minimum aberration (Technometrics 22(4),
    601-608); Plackett & Burman 1946 (Biometrika 33(4), 305-325).
    """
    refuse_other_than_two_levels(factors, "fractional")
    if resolution not in (*RESOLUTIONS, PLACKETT_BURMAN):
        choices = (*RESOLUTIONS, PLACKETT_BURMAN)
        raise ConfigError(
            f"resolution={resolution}: there is none of that name. "
            f"Choose {', '.join(RESOLUTIONS)} or {PLACKETT_BURMAN}.{did_you_mean(resolution, choices)}"
        )
    if resolution == PLACKETT_BURMAN:
        design, notes = _plackett_burman(len(factors))
    else:
        design, notes = _regular(len(factors), resolution)
    arms = tuple({f.key: f.levels[int(sign > 0)] for f, sign in zip(factors, row, strict=True)} for row in design)
    return Fractional(arms, Aliases([factor.key for factor in factors], design), notes)


def _regular(k: int, resolution: str) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    columns = _columns(k, RESOLUTIONS[resolution])
    # A product of an even number of lows is high: its sign is turned, so that the arm of all first levels, the
    # baseline that people know, is in the fraction, and first.
    words = ["-" * (column.bit_count() % 2 == 0) + _letters(column) for column in columns]
    design: NDArray[np.float64] = pyDOE3.fracfact(" ".join(words))
    if len(design) == 2**k:
        fewer = {1 << bits: name for name, r in RESOLUTIONS.items() if (bits := _base(k, r)) < k}
        way_out = "".join(f"; resolution={name} takes {runs}" for runs, name in fewer.items())
        return design, (_only_full(k, f"no smaller fraction of it has resolution {resolution}{way_out}"),)
    threes, fours, _ = _aberration(columns)
    reached = "III" if threes else "IV" if fours else "V or higher"
    return design, _size(len(design), k, f"a fraction of resolution {reached}")


def _plackett_burman(k: int) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    # Hadamard matrices of these orders are what pbdesign has: not of 28, nor of 36.
    runs = next(n for n in itertools.count(4 * (k // 4 + 1), 4) if any(_doubled(n, base) for base in (1, 12, 20)))
    if runs >= 2**k:
        return pyDOE3.fracfact(" ".join(string.ascii_lowercase[:k])), (
            _only_full(k, "a Plackett-Burman design is no smaller"),
        )
    # In the last of its runs every factor is high: turned over, and its signs turned, it begins with the baseline.
    design: NDArray[np.float64] = -pyDOE3.pbdesign(runs - 1)[::-1, :k]
    return design, _size(runs, k, "a Plackett-Burman design")


def _doubled(n: int, base: int) -> bool:
    return n % base == 0 and (n // base).bit_count() == 1


def _only_full(k: int, why: str) -> str:
    return f"All {2**k} arms of the full factorial are run: {why}"


def _size(runs: int, k: int, what: str) -> tuple[str, ...]:
    return (
        f"{runs} of the {2**k} arms of the full factorial are run: {what}",
        "Effects are read as if interactions of three and more factors were none",
    )


def _columns(k: int, resolution: int) -> list[int]:
    """Return the factors of the smallest fraction as products of its base factors: bit i stands for base factor i.

    The base factors come first. ``pyDOE3.fracfact_by_res`` looks at each generator alone, not at their products, and
    falls short of the resolution for V from seven factors on and for IV from sixteen.
    """
    base = _base(k, resolution)
    enough = next(_lexicode(k, r) for r in (5, 4, 3) if _base(k, r) <= base)
    alone = [1 << bit for bit in range(base)]
    if base == k:
        return alone
    products = [v for v in range(1 << base) if v.bit_count() >= resolution - 1]
    found = [[*alone, *sorted(set(enough) - set(alone))]]
    if math.comb(len(products), k - base) <= SEARCHED:
        found += [[*alone, *generators] for generators in itertools.combinations(products, k - base)]
    return min(found, key=_aberration)


def _lexicode(k: int, resolution: int) -> list[int]:
    """Return the first k numbers of which no fewer than ``resolution`` add up to zero, bit by bit.

    Taken greedily from 1 on, they need the fewest bits that any such numbers do: always for III and IV, and for V up
    to the 17 numbers of eight bits (Conway & Sloane 1986, Lexicographic codes, IEEE Trans. Inf. Theory 32(3)).
    """
    columns: list[int] = []
    sums = [{0} for _ in range(resolution - 1)]  # sums[n]: what up to n columns add up to
    for value in itertools.count(1):
        if len(columns) == k:
            break
        if value not in sums[-1]:
            columns.append(value)
            for n in range(len(sums) - 1, 0, -1):
                sums[n] |= {total ^ value for total in sums[n - 1]}
    return columns


def _aberration(columns: Sequence[int]) -> tuple[int, int, int]:
    """Count the words of three and of four letters, what aliases main effects and two-factor interactions.

    Among equals the longer generators are the better: the last number is less for them.
    """
    pairs = Counter(a ^ b for a, b in itertools.combinations(columns, 2))
    threes = sum(pairs[column] for column in columns) // 3  # each word is met once for each of its letters
    fours = sum(math.comb(count, 2) for count in pairs.values()) // 3  # and here for each way to halve it
    return threes, fours, -sum(column.bit_count() for column in columns)


def _base(k: int, resolution: int) -> int:
    """Return how many base factors the smallest fraction has: it has 2 to the power of that arms."""
    return max(_lexicode(k, resolution)).bit_length()


def _letters(column: int) -> str:
    return "".join(letter for bit, letter in enumerate(string.ascii_lowercase) if column >> bit & 1)
