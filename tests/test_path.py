"""The ablation path and its races, on response tables whose answer is known."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from ablate.designs.factor import Arm, Factor
from ablate.designs.path import Path
from ablate.designs.race import Scores, leader, survivors
from ablate.errors import ConfigError

Response = Callable[[frozenset[str], int], float | None]
SEEDS = (0, 1, 2, 3, 4)


def off_on(*keys: str) -> list[Factor]:
    return [Factor(key, ("off", "on")) for key in keys]


def on(arm: Arm) -> frozenset[str]:
    return frozenset(key for key, level in arm.items() if level == "on")


def follow(path: Path, response: Response) -> list[tuple[frozenset[str], int]]:
    """Answer everything that the path asks; return the runs in the order they were asked for."""
    made = []
    while wanted := path.ask():
        path.tell([(arm, seed, response(on(arm), seed)) for arm, seed in wanted])
        made += [(on(arm), seed) for arm, seed in wanted]
    assert len(made) == len(set(made)) <= path.most_runs
    return made


def walked(keys: str, response: Response, *, higher_is_better: bool = True, seeds: tuple[int, ...] = SEEDS) -> Path:
    path = Path(off_on(*keys), seeds, higher_is_better=higher_is_better)
    follow(path, response)
    return path


def test_a_path_takes_the_factor_that_gains_most_first() -> None:
    gains = {"a": 1.0, "b": 4.0, "c": -2.0}
    path = walked("abc", lambda turned, seed: 10 * seed + sum(gains[key] for key in turned))
    assert [(s.factor, s.before, s.after, s.mean, s.difference) for s in path.steps()] == [
        ("b", "off", "on", 24.0, 4.0),
        ("a", "off", "on", 25.0, 1.0),
        ("c", "off", "on", 23.0, -2.0),
    ]
    assert path.start == 20.0


def test_a_path_goes_down_where_less_is_better() -> None:
    gains = {"a": 1.0, "b": 4.0, "c": -2.0}
    path = walked("abc", lambda turned, seed: sum(gains[key] for key in turned), higher_is_better=False)
    assert [(s.factor, s.difference) for s in path.steps()] == [("c", -2.0), ("a", 1.0), ("b", 4.0)]


def test_a_factor_that_helps_only_after_another_comes_after_it() -> None:
    def response(turned: frozenset[str], seed: int) -> float:
        # alone: a +1, b -3, c +2; with c, b gives +6 more
        return seed + ("a" in turned) - 3 * ("b" in turned) + 2 * ("c" in turned) + 6 * ({"b", "c"} <= turned)

    assert [(s.factor, s.mean, s.difference) for s in walked("abc", response).steps()] == [
        ("c", 4.0, 2.0),
        ("b", 7.0, 3.0),
        ("a", 8.0, 1.0),
    ]


def test_ties_go_to_the_factor_named_first() -> None:
    assert [s.factor for s in walked("bca", lambda turned, seed: float(seed)).steps()] == ["b", "c", "a"]


def test_a_path_begins_with_the_first_arm_and_the_first_block_of_the_first_race() -> None:
    path = Path(off_on("a", "b"), SEEDS, higher_is_better=True)
    assert [(sorted(on(arm)), seed) for arm, seed in path.ask()] == [
        *(([], seed) for seed in SEEDS),
        (["a"], 0),
        (["b"], 0),
        (["a"], 1),
        (["b"], 1),
        (["a"], 2),
        (["b"], 2),
    ]
    assert path.ask()[5] == ({"a": "on", "b": "off"}, 0)
    assert path.steps() == []
    assert path.start is None


def test_racing_drops_who_is_clearly_behind_and_the_winner_gets_all_seeds() -> None:
    noise = {"a": (0.0, 0.1, -0.1, 0.0, 0.1), "b": (0.1, 0.0, 0.0, -0.1, 0.0), "c": (0.0, 0.2, 0.1, 0.1, 0.0)}
    gains = {"a": 5.0, "b": 1.0, "c": 2.0}

    def response(turned: frozenset[str], seed: int) -> float:
        return seed + sum(gains[key] + noise[key][seed] for key in turned)

    path = Path(off_on("a", "b", "c"), SEEDS, higher_is_better=True)
    made = follow(path, response)
    assert [(s.factor, s.saved) for s in path.steps()] == [("a", 4), ("c", 2), ("b", 0)]
    assert path.most_runs == 35
    assert len(made) == 35 - 6
    spent = [sum(turned == {key} for turned, _ in made) for key in "abc"]
    assert spent == [5, 3, 3]
    assert path.steps()[0].mean == pytest.approx(2 + 5 + 0.02)


def test_candidates_that_cannot_be_told_apart_run_with_all_seeds() -> None:
    def response(turned: frozenset[str], seed: int) -> float:
        return (-1.0) ** seed * (turned == {"b"})

    path = Path(off_on("a", "b"), range(8), higher_is_better=True)
    made = follow(path, response)
    assert sum(turned == {"b"} for turned, _ in made) == 8
    assert path.steps()[0].saved == 0


def test_the_race_goes_on_one_seed_at_a_time() -> None:
    # after three seeds a leads b by 1, 0, 2 (p = 0.11), after four by 1, 0, 2, 2 (p = 0.04)
    lead = (1, 0, 2, 2, 0, 0)
    path = Path(off_on("a", "b"), range(6), higher_is_better=True)
    path.tell([(arm, seed, float(lead[seed] if "a" in on(arm) else 0)) for arm, seed in path.ask()])
    assert [(sorted(on(arm)), seed) for arm, seed in path.ask()] == [(["a"], 3), (["b"], 3)]
    path.tell([(arm, seed, float(lead[seed] if "a" in on(arm) else 0)) for arm, seed in path.ask()])
    assert [(sorted(on(arm)), seed) for arm, seed in path.ask()] == [
        (["a"], 4),  # the winner's own seeds go together with the next step
        (["a"], 5),
        *((["a", "b"], seed) for seed in range(6)),
    ]
    assert path.steps() == []  # decided, but a mean over four seeds does not compare with one over six
    path.tell([(arm, seed, 0.0) for arm, seed in path.ask()[:2]])
    (step,) = path.steps()
    assert step.factor == "a"
    assert step.mean == pytest.approx(5 / 6)


@pytest.mark.parametrize("bad", [None, math.nan, math.inf])
def test_a_failed_run_is_worse_than_any_other(bad: float | None) -> None:
    def response(turned: frozenset[str], seed: int) -> float | None:
        return bad if turned == {"a"} and seed == 1 else float(len(turned) + 9 * ("a" in turned))

    for higher_is_better in (True, False):
        first, second = walked("ab", response, higher_is_better=higher_is_better).steps()
        assert (first.factor, first.mean, first.failed, first.saved) == ("b", 1.0, 0, 2)
        assert (second.factor, second.mean, second.difference) == ("a", 11.0, 10.0)


def test_an_arm_that_fails_is_paired_over_what_is_left() -> None:
    def response(turned: frozenset[str], seed: int) -> float | None:
        return None if turned == {"a"} and seed in (0, 4) else float(10**seed * (1 + len(turned)))

    (first,) = walked("a", response).steps()
    assert (first.failed, first.mean, first.difference) == (2, 740.0, 370.0)
    first, second = walked("ab", lambda turned, seed: None if len(turned) == 1 else 1.0).steps()
    assert (first.factor, first.mean, first.difference, first.failed) == ("a", None, None, 5)
    assert (second.mean, second.difference, second.failed) == (1.0, None, 0)


def test_a_path_of_one_seed_needs_no_test() -> None:
    path = walked("abc", lambda turned, seed: float(2 * ("b" in turned) + ("c" in turned)), seeds=(7,))
    assert [(s.factor, s.saved) for s in path.steps()] == [("b", 0), ("c", 0), ("a", 0)]


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 10**6))
def test_without_noise_racing_never_drops_the_best(k: int, seeds: int, state: int) -> None:
    keys = "abcde"[:k]
    chance = random.Random(state)
    arms = [frozenset(c) for n in range(k + 1) for c in itertools.combinations(keys, n)]
    values = {arm: chance.randrange(8) for arm in arms}  # few values: ties happen
    blocks = [chance.randrange(100) for _ in range(seeds)]
    path = Path(off_on(*keys), range(seeds), higher_is_better=True)
    follow(path, lambda turned, seed: float(values[turned] + blocks[seed]))
    turned: frozenset[str] = frozenset()
    for step in path.steps():
        best = max((key for key in keys if key not in turned), key=lambda key: values[turned | {key}])
        assert step.factor == best
        assert step.difference == pytest.approx(values[turned | {best}] - values[turned])
        turned |= {best}
    assert turned == set(keys)


@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 10**6))
def test_the_order_in_which_results_arrive_does_not_matter(k: int, seeds: int, state: int) -> None:
    chance = random.Random(state)
    keys = "abcd"[:k]
    table: dict[tuple[frozenset[str], int], float | None] = {}

    def response(turned: frozenset[str], seed: int) -> float | None:
        return table.setdefault((turned, seed), chance.choice([None, *(chance.gauss(0, 1) for _ in range(6))]))

    whole = Path(off_on(*keys), range(seeds), higher_is_better=True)
    follow(whole, response)
    bits = Path(off_on(*keys), range(seeds), higher_is_better=True)
    while wanted := bits.ask():
        arm, seed = chance.choice(wanted)
        assert bits.ask() == wanted
        bits.tell([(arm, seed, response(on(arm), seed))])
    assert bits.steps() == whole.steps()
    assert len(whole.steps()) == k
    arms = k * (k + 1) // 2 + 1
    assert whole.most_runs == arms * seeds
    assert len(table) == whole.most_runs - sum(step.saved for step in whole.steps())


def test_a_run_that_was_not_asked_for_is_refused() -> None:
    path = Path(off_on("a", "b"), SEEDS, higher_is_better=True)
    with pytest.raises(ValueError, match=r"the path did not ask for \{'a': 'on', 'b': 'on'\} with seed 0"):
        path.tell([({"a": "on", "b": "on"}, 0, 1.0)])


def test_a_path_refuses_other_than_two_levels() -> None:
    with pytest.raises(ConfigError) as caught:
        Path([Factor("opt", ("sgd", "adam", "lion"))], SEEDS, higher_is_better=True)
    assert str(caught.value) == (
        "design=path takes two levels a factor, and opt=sgd,adam,lion has 3. "
        "Name two of them, or take design=full or design=ofat."
    )


def test_the_leader_has_failed_least_and_then_has_the_best_paired_mean() -> None:
    assert leader([(1, 2), (2, 2), (2, 2)]) == 1
    assert leader([(9, None), (1, 1)]) == 1
    assert leader([(0, 0, 3, None), (1, None, 1, 9)]) == 0  # by the first seed and the third, which both finished
    assert leader([(None, None), (None, None)]) == 0
    assert leader([(9, None), (None, 10)]) == 0  # nothing in common: the first named


@given(st.lists(st.tuples(*[st.floats(-1, 1)] * 2), min_size=3, max_size=8))
def test_who_is_behind_is_what_the_paired_t_test_says(pairs: list[tuple[float, float]]) -> None:
    scores: list[Scores] = [[round(a, 2) for a, _ in pairs], [round(b, 2) for _, b in pairs]]
    gaps = {round(a - b, 6) for a, b in zip(*scores, strict=True) if a is not None and b is not None}
    if len(gaps) == 1:
        assert len(survivors(scores)) == (2 if gaps == {0} else 1)
        return
    first = leader(scores)
    p = ttest_rel(scores[1 - first], scores[first], alternative="less").pvalue
    assert survivors(scores) == (sorted({first}) if p < 0.05 else [0, 1])
