"""What stands under the table of effects in the terminal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ablate.analysis import effects
from ablate.analysis.inference import holm
from ablate.analysis.reach import flips_needed, too_few
from ablate.report.effects import effects_told
from tests.frames import grid, noisy

TWO: dict[str, list[Any]] = {"norm": ["none", "bn"], "act": ["relu", "sigmoid"]}


def lines(frame: Any, *factors: str, metric: str = "val/acc", **options: Any) -> list[str]:
    return [one for one in effects_told(effects(frame, list(factors), metric, **options)) if isinstance(one, str)]


def test_effects_that_are_bounds_are_named_and_on_which_side_they_bound() -> None:
    def steps(arm: dict[str, Any], seed: int) -> dict[str, Any]:
        reached = 100.0 + seed if arm["act"] == "relu" else np.nan
        return {"steps_to_target": reached, "budget": 200}

    told = " ".join(lines(grid(TWO, 8, steps), "norm", "act", metric="steps_to_target", budget="budget"))
    assert "would be higher of act=sigmoid against act=relu; higher or lower of norm=bn against norm=none." in told
    frame = grid(TWO, 8, lambda arm, seed: {"steps_to_target": 100.0 + seed, "budget": 200})
    assert "reached" not in " ".join(lines(frame, "norm", "act", metric="steps_to_target", budget="budget"))


def test_shares_that_do_not_add_up_say_so() -> None:
    frame = noisy(TWO, 8, lambda arm: 0.8 + 0.1 * (arm["norm"] == "bn") + 0.1 * (arm["act"] == "sigmoid"))
    assert "Variance of val/acc: " in " ".join(lines(frame, "norm", "act"))
    one_at_a_time = frame[(frame["norm"] == "none") | (frame["act"] == "relu")]
    assert "Variance of val/acc (shares overlap: not a full grid): " in " ".join(lines(one_at_a_time, "norm", "act"))


def test_interactions_beyond_those_shown_are_counted() -> None:
    levels = {factor: ["a", "b"] for factor in ("f", "g", "h", "i")}
    frame = noisy(levels, 10, lambda arm: 0.02 * sum(level == "b" for level in arm.values()) ** 2, noise=0.001)
    assert "3 of 6 interactions are shown; the report has all." in lines(frame, *levels)


@pytest.mark.parametrize("contrasts", [1, 2, 3, 8])
def test_too_few_seeds_are_those_whose_least_p_is_above_the_level_after_holm(contrasts: int) -> None:
    for seeds in range(1, 14):
        least = holm([2 / 2**seeds] * contrasts)[0]
        assert least is not None
        assert (too_few(seeds, contrasts) is None) == (least <= 0.05)
    assert f"; {flips_needed(0.05 / contrasts)} can." in (too_few(5, contrasts) or "")


def test_seeds_that_cannot_show_anything_are_told_under_the_table() -> None:
    levels = TWO | {"opt": ["sgd", "adam"]}
    said = "6 seeds cannot show an effect in 3 contrasts, however large it is; 7 can."
    for seeds in (6, 7):
        frame = noisy(levels, seeds, lambda arm: 0.5 * (arm["norm"] == "bn"), noise=1e-4)
        found = effects(frame, list(levels), "val/acc")
        assert any(one.test.verdict.effect for one in found.contrasts) == (seeds == 7)
        assert (said in lines(frame, *levels)) == (seeds == 6)


def test_without_an_interval_nothing_is_said_of_intervals() -> None:
    told = " ".join(lines(noisy(TWO, 1, lambda _: 0.5), "norm", "act"))
    assert "Intervals" not in told
    assert "Paired" not in told


def test_what_has_no_pair_is_told_once_with_the_reason() -> None:
    frame = noisy(TWO, 8, lambda _: 0.5).assign(status="finished", **{"val/loss": 1.0})
    frame.loc[frame["norm"] == "bn", "status"] = "failed"
    found = effects(frame, ["norm", "act"], ["val/acc", "val/loss"])
    told = [one.sentence() for one in found.refused if any("against" in effect for effect in one.effects)]
    why = "no seed has both with everything else equal, as runs failed or are missing."
    assert told == [f"Not estimated: norm=bn against norm=none: {why}"]
