"""Two-level fractions and Plackett-Burman designs, against the tables of the literature and against regression."""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.designs.factor import Factor
from ablate.designs.fractional import Fractional, fractional
from ablate.errors import ConfigError

Matrix = npt.NDArray[np.float64]


def two_level(k: int) -> list[Factor]:
    return [Factor(chr(ord("a") + index) if k <= 26 else f"f{index}", ("low", "high")) for index in range(k)]


@cache
def fraction(k: int, resolution: str) -> Fractional:
    return fractional(two_level(k), resolution)


def matrix(made: Fractional) -> Matrix:
    return np.array([[1.0 if level == "high" else -1.0 for level in arm.values()] for arm in made.arms])


def words(design: Matrix, letters: int) -> int:
    """Count the products of so many columns that are constant."""
    chosen = itertools.combinations(range(design.shape[1]), letters)
    return sum(bool(abs(design[:, list(columns)].prod(axis=1).sum()) == len(design)) for columns in chosen)


def test_half_of_three_factors_aliases_each_with_the_interaction_of_the_others() -> None:
    made = fractional(
        [Factor("norm", ("none", "bn")), Factor("act", ("relu", "gelu")), Factor("opt", ("sgd", "adam"))], "III"
    )
    assert made.arms == (  # Box, Hunter & Hunter, 2^(3-1) with I = -ABC: the half that holds the baseline
        {"norm": "none", "act": "relu", "opt": "sgd"},
        {"norm": "none", "act": "gelu", "opt": "adam"},
        {"norm": "bn", "act": "relu", "opt": "adam"},
        {"norm": "bn", "act": "gelu", "opt": "sgd"},
    )
    assert made.aliases.sentences() == [
        "norm is aliased with act×opt",
        "act is aliased with norm×opt",
        "opt is aliased with norm×act",
    ]
    assert made.notes == (
        "4 of the 8 arms of the full factorial are run: a fraction of resolution III",
        "Effects are read as if interactions of three and more factors were none",
    )


def test_half_of_four_factors_aliases_interactions_in_pairs() -> None:
    made = fraction(4, "IV")
    assert len(made.arms) == 8
    assert made.aliases.sentences() == [
        "a×b is aliased with c×d",
        "a×c is aliased with b×d",
        "a×d is aliased with b×c",
    ]
    assert made.aliases.partners(("d", "c")) == {("a", "b"): 1}
    assert made.aliases.estimable("a")
    assert not made.aliases.estimable(("b", "a"))


def test_half_of_five_factors_keeps_all_main_effects_and_interactions_clear() -> None:
    made = fraction(5, "V")
    assert len(made.arms) == 16
    assert words(matrix(made), 5) == 1
    assert all(made.aliases.estimable(effect) for effect in made.aliases.effects)
    assert len(made.aliases.effects) == 15
    assert made.aliases.sentences() == []
    assert made.notes[0] == "16 of the 32 arms of the full factorial are run: a fraction of resolution V or higher"


def test_a_sixteenth_of_seven_factors_aliases_each_with_three_interactions() -> None:
    made = fraction(7, "III")
    assert len(made.arms) == 8
    for factor in "abcdefg":
        partners = made.aliases.partners(factor)
        assert set(partners.values()) == {1}
        assert sorted(itertools.chain(*partners)) == sorted(set("abcdefg") - {factor})  # three pairs of the others
    assert len(made.aliases.sentences()) == 7
    assert made.aliases.sentences()[0] == "a is aliased with b×d, c×e and f×g"


@pytest.mark.parametrize(
    ("k", "resolution", "runs", "threes", "fours"),
    [  # Box, Hunter & Hunter 2005, chapter 6; word lengths: Wu & Hamada 2009, appendix 5A
        (5, "III", 8, 2, 1),
        (6, "III", 8, 4, 3),
        (7, "III", 8, 7, 7),
        (9, "III", 16, 4, 14),
        (10, "III", 16, 8, 18),
        (11, "III", 16, 12, 26),
        (4, "IV", 8, 0, 1),
        (6, "IV", 16, 0, 3),
        (7, "IV", 16, 0, 7),
        (8, "IV", 16, 0, 14),
        (9, "IV", 32, 0, 6),
        (10, "IV", 32, 0, 10),
        (11, "IV", 32, 0, 25),
        (6, "V", 32, 0, 0),
        (7, "V", 64, 0, 0),
        (8, "V", 64, 0, 0),
        (9, "V", 128, 0, 0),
        (11, "V", 128, 0, 0),
    ],
)
def test_fractions_are_those_of_the_tables(k: int, resolution: str, runs: int, threes: int, fours: int) -> None:
    design = matrix(fraction(k, resolution))
    assert (len(design), words(design, 3), words(design, 4)) == (runs, threes, fours)


def test_among_equals_the_longest_word_is_taken() -> None:
    for k in (6, 7):  # the half whose only word has all letters
        design = matrix(fraction(k, "V"))
        assert (words(design, k), words(design, 5)) == (1, 0)


@pytest.mark.parametrize(("k", "resolution"), [(4, 5), (5, 4), (6, 4), (6, 5), (7, 5), (8, 4), (9, 4)])
def test_no_fraction_of_half_the_size_has_the_resolution(k: int, resolution: int) -> None:
    runs = len(fraction(k, {4: "IV", 5: "V"}[resolution]).arms)
    base = int(np.log2(runs)) - 1
    full = np.array(list(itertools.product([-1.0, 1.0], repeat=base)))
    sets = (chosen for n in range(2, base + 1) for chosen in itertools.combinations(range(base), n))
    products = [full[:, list(chosen)].prod(axis=1) for chosen in sets]
    for generated in itertools.combinations(products, k - base):
        design = np.column_stack([full, *generated])
        assert any(words(design, letters) for letters in range(1, resolution))


@given(st.integers(1, 20), st.sampled_from(["III", "IV", "V", "plackett_burman"]))
def test_every_fraction_is_balanced_and_orthogonal_and_begins_with_the_baseline(k: int, resolution: str) -> None:
    made = fraction(k, resolution)
    design = matrix(made)
    np.testing.assert_array_equal(design.T @ design, len(design) * np.eye(k))
    np.testing.assert_array_equal(design.sum(axis=0), np.zeros(k))
    np.testing.assert_array_equal(design[0], -np.ones(k))
    assert len(np.unique(design, axis=0)) == len(design) <= 2**k
    assert all(list(arm) == [factor.key for factor in two_level(k)] for arm in made.arms)


@given(st.integers(1, 12), st.sampled_from(["III", "IV", "V"]))
def test_a_fraction_keeps_the_resolution_asked_for(k: int, resolution: str) -> None:
    design = matrix(fraction(k, resolution))
    assert not any(words(design, letters) for letters in range(1, {"III": 3, "IV": 4, "V": 5}[resolution]))


CASES = [(3, "III"), (5, "III"), (6, "III"), (6, "IV"), (9, "IV"), (6, "V"), (3, "V"), (7, "plackett_burman")]
CASES += [(9, "plackett_burman"), (11, "plackett_burman"), (17, "plackett_burman"), (21, "plackett_burman")]


def columns(made: Fractional) -> Matrix:
    design = matrix(made)
    at = {key: index for index, key in enumerate(made.arms[0])}
    return np.column_stack([design[:, [at[key] for key in effect]].prod(axis=1) for effect in made.aliases.effects])


@pytest.mark.parametrize(("k", "resolution"), CASES)
def test_aliases_are_those_that_regression_finds(k: int, resolution: str) -> None:
    made = fraction(k, resolution)
    model = columns(made)
    effects = made.aliases.effects
    assert len(effects) == k + k * (k - 1) // 2
    correlation = np.asarray(np.corrcoef(model, rowvar=False))
    for i, effect in enumerate(effects):
        partners = made.aliases.partners(effect)
        shares = [float(partners.get(other, Fraction(0))) for other in effects]
        np.testing.assert_allclose(np.delete(shares, i), np.delete(abs(correlation[i]), i), atol=1e-12)
        same = {other for other, share in partners.items() if share == 1}
        for j, other in enumerate(effects):
            if j != i:  # columns that are the same up to sign span one dimension beside the mean
                rank = np.linalg.matrix_rank(np.column_stack([np.ones(len(model)), model[:, i], model[:, j]]))
                assert (rank == 2) == (other in same)


@pytest.mark.parametrize(("k", "resolution"), CASES)
def test_an_estimable_effect_is_measured_whatever_the_others_are(k: int, resolution: str) -> None:
    made = fraction(k, resolution)
    model = columns(made)
    planted = np.random.default_rng(0).normal(size=len(made.aliases.effects))
    response = np.asarray(5 + model @ planted)  # without noise, and with an effect of everything up to two factors
    for index, effect in enumerate(made.aliases.effects):
        high, low = response[model[:, index] > 0].mean(), response[model[:, index] < 0].mean()
        measured = (high - low) / 2
        assert made.aliases.estimable(effect) == bool(abs(measured - planted[index]) < 1e-10)


def test_plackett_and_burman_measure_eleven_factors_with_twelve_runs() -> None:
    made = fraction(11, "plackett_burman")
    assert len(made.arms) == 12
    for factor in "abcdefghijk":
        assert made.aliases.partners(factor) == {
            pair: Fraction(1, 3) for pair in itertools.combinations("abcdefghijk", 2) if factor not in pair
        }
        assert not made.aliases.estimable(factor)
    assert made.aliases.sentences()[0] == ("a is partly aliased (correlation 1/3) with b×c, b×d, b×e, b×f and 41 more")
    assert made.aliases.sentences()[-1] == "two-factor interactions are partly aliased with one another"
    assert made.notes[0] == "12 of the 2048 arms of the full factorial are run: a Plackett-Burman design"


@pytest.mark.parametrize(
    ("k", "runs"), [(1, 2), (2, 4), (3, 4), (4, 8), (7, 8), (8, 12), (12, 16), (19, 20), (23, 24), (24, 32), (32, 40)]
)
def test_plackett_and_burman_take_a_multiple_of_four_runs(k: int, runs: int) -> None:
    design = matrix(fraction(k, "plackett_burman"))
    assert design.shape == (runs, k)
    np.testing.assert_array_equal(design.T @ design, runs * np.eye(k))


def test_the_default_is_resolution_four() -> None:
    assert fractional(two_level(6)).arms == fraction(6, "IV").arms


def test_without_a_smaller_fraction_the_full_factorial_is_run_and_said() -> None:
    said = {
        (k, r): fraction(k, r).notes for k, r in [(2, "III"), (3, "IV"), (3, "V"), (4, "V"), (2, "plackett_burman")]
    }
    assert said == {
        (2, "III"): ("All 4 arms of the full factorial are run: no smaller fraction of it has resolution III",),
        (3, "IV"): (
            "All 8 arms of the full factorial are run: no smaller fraction of it has resolution IV; "
            "resolution=III takes 4",
        ),
        (3, "V"): (
            "All 8 arms of the full factorial are run: no smaller fraction of it has resolution V; "
            "resolution=III takes 4",
        ),
        (4, "V"): (
            "All 16 arms of the full factorial are run: no smaller fraction of it has resolution V; "
            "resolution=IV takes 8",
        ),
        (2, "plackett_burman"): ("All 4 arms of the full factorial are run: a Plackett-Burman design is no smaller",),
    }
    assert len(fraction(4, "V").arms) == 16
    assert fraction(4, "V").aliases.sentences() == []


def test_an_effect_that_was_not_varied_has_no_aliases() -> None:
    with pytest.raises(KeyError):
        fraction(3, "III").aliases.estimable("z")


def test_a_fraction_refuses_other_than_two_levels_and_an_unknown_resolution() -> None:
    three = [*two_level(3), Factor("opt", ("sgd", "adam", "lion"))]
    with pytest.raises(ConfigError) as caught:
        fractional(three)
    assert str(caught.value) == (
        "design=fractional takes two levels a factor, and opt=sgd,adam,lion has 3. "
        "Name two of them, or take design=full or design=ofat."
    )
    with pytest.raises(ConfigError) as caught:
        fractional([])
    assert str(caught.value) == "design=fractional needs a factor: sweep a setting over two levels, norm=bn,none."
    with pytest.raises(ConfigError) as caught:
        fractional(two_level(3), "plackett")
    assert str(caught.value) == (
        "resolution=plackett: there is none of that name. "
        "Choose III, IV, V or plackett_burman. Did you mean 'plackett_burman'?"
    )
