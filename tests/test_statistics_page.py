"""The page on statistics: its worked example is what the analysis gives, and by hand; what it names is there."""

from __future__ import annotations

import importlib
import itertools
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from ablate.analysis import Metric, Paired, Scale, effects
from ablate.analysis.inference import SMOKE, holm
from ablate.analysis.measure import AREA, STEPS
from ablate.analysis.power import needed
from ablate.analysis.reach import flips_needed

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())
BEST = Metric("best", True, Scale.points, 1.0, label="best val/acc")
BUDGET = 340.0


def rows(first: str) -> list[list[str]]:
    """Return the cells below the head that begins with a word."""
    table = re.search(rf"^\| {first} .*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.group(1).splitlines()]


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    """Return the twenty runs of the worked example."""
    found = []
    for cells in rows("seed"):
        seed, *numbers = [float("nan") if cell == "–" else float(cell) for cell in cells]
        for at, norm in enumerate(("none", "bn")):
            best, steps, loss = numbers[at::2]
            found.append({"norm": norm, "seed": int(seed), "best": best, "steps_to_target": steps, "area": loss})
    frame = pd.DataFrame(found)
    return frame.assign(steps_before=frame["steps_to_target"] - 17)


def differences(runs: pd.DataFrame, metric: Metric) -> np.ndarray:
    """Return batch normalisation less none, by seed."""
    wide = runs.pivot(index="seed", columns="norm", values=metric.column).fillna(BUDGET)
    none, bn = (wide[norm].to_numpy(dtype=float) for norm in ("none", "bn"))
    return np.array(np.log2(bn / none) if metric.scale is Scale.ratio else bn - none)


def test_the_sentences_are_those_of_the_report(runs: pd.DataFrame) -> None:
    found = effects(runs, ["norm"], [AREA, BEST, STEPS], baseline={"norm": "none"}, budget=BUDGET)
    assert len(found.contrasts) == 3
    for one in found.contrasts:
        assert one.sentence() in WORDS


def test_the_loss_is_worked_out_by_hand(runs: pd.DataFrame) -> None:
    d = differences(runs, AREA)
    mean, sd, error = d.mean(), d.std(ddof=1), d.std(ddof=1) / np.sqrt(10)
    t, quantile = mean / error, stats.t.ppf(0.975, 9)
    assert f"the mean {mean:+.4f} and the standard deviation {sd:.4f}" in WORDS
    assert f"= {t:.2f} on 9 degrees of freedom, p = {2 * stats.t.sf(t, 9):.6f}" in WORDS
    low, high = mean - quantile * error, mean + quantile * error
    assert f"{mean:.4f} ± {quantile:.3f} · {error:.5f} = [{low:+.4f}, {high:+.4f}]" in WORDS
    assert as_far(d) == 2
    assert f"p = {2 / 1024:.5f}" in WORDS


def test_the_accuracy_is_worked_out_by_hand(runs: pd.DataFrame) -> None:
    d = differences(runs, BEST)
    error = d.std(ddof=1) / np.sqrt(10)
    assert f"The mean is −{abs(100 * d.mean()):.3f} points" in WORDS
    p, flips = stats.ttest_1samp(d, 0).pvalue, as_far(d)
    assert f"(t: {p:.2f}; {flips} of the 1024 patterns: {flips / 1024:.2f})" in WORDS
    one_sided = stats.t.sf((d.mean() + 0.01) / error, 9), stats.t.cdf((d.mean() - 0.01) / error, 9)
    assert f"the larger of the two one-sided p is {max(one_sided):.4f}" in WORDS


def test_the_steps_are_worked_out_by_hand(runs: pd.DataFrame) -> None:
    d = differences(runs, STEPS)
    assert f"log2(bn / none) is {d.mean():.4f}, a ratio of {2 ** d.mean():.2f}" in WORDS
    means = runs.assign(time=runs["steps_to_target"].fillna(BUDGET)).groupby("norm")["time"].mean()
    assert f"the restricted means {means['bn']:.1f} and {means['none']:.1f}" in WORDS
    assert f"scatter with {d.std(ddof=1):.3f}" in WORDS
    assert f"log2 1.1 = {np.log2(1.1):.4f}" in WORDS
    assert d.std(ddof=1) > 4 * np.log2(1.1)


def as_far(d: np.ndarray) -> int:
    """Return how many patterns of signs have a mean at least as far from none."""
    means = [abs((d * signs).mean()) for signs in itertools.product((1, -1), repeat=len(d))]
    return int(sum(mean >= abs(d.mean()) - 1e-12 for mean in means))


def test_its_small_numbers_are_right() -> None:
    assert holm([0.01, 0.02, 0.04]) == pytest.approx([0.03, 0.04, 0.04])
    assert f"2/32 = {2 / 32}" in WORDS
    assert (SMOKE, flips_needed(0.05), flips_needed(0.005)) == (5, 6, 9)
    assert stats.binomtest(5, 5).pvalue > 0.05 > stats.binomtest(6, 6).pvalue


def test_its_numbers_of_seeds_are_those_of_the_power() -> None:
    for dz, one, ten in rows("dz"):
        for family, seeds in ((1, int(one)), (10, int(ten))):
            level = 0.05 / family
            two = (float(dz) + math.sqrt(0.5), float(dz) - math.sqrt(0.5))  # whose standard deviation is 1
            metric = replace(AREA, margin=1e-6)
            (told,) = needed([Paired(metric, two, float(dz), None, 0.95, None, None, None, family=family)])
            assert told.seeds_needed == max(seeds, flips_needed(level))
            assert TTestPower().power(float(dz), seeds, level) >= 0.8 > TTestPower().power(float(dz), seeds - 1, level)


def test_the_false_alarms_that_were_measured_keep_the_promise() -> None:
    measured = re.findall(r"^    (?:apart|paired|family) .*?([\d.]+) % \[[\d.]+, [\d.]+\]$", PAGE, re.MULTILINE)
    assert len(measured) == 18
    assert max(map(float, measured)) <= 6


def test_every_function_that_it_names_is_there() -> None:
    modules = {path.stem for path in (ROOT / "ablate" / "analysis").glob("*.py")}
    named = [(first, rest) for first, rest in re.findall(r"`(\w+)\.([\w.]+)[`(]", PAGE) if first in modules]
    assert len(named) > 15
    for first, rest in named:
        found = importlib.import_module(f"ablate.analysis.{first}")
        for name in rest.split("."):
            found = getattr(found, name) if hasattr(found, name) else found.__dataclass_fields__[name]


def test_every_source_in_it_is_listed_and_used() -> None:
    text, _, listed = PAGE.partition("## Sources")
    numbers = {int(number) for number in re.findall(r"^(\d+)\. ", listed, re.MULTILINE)}
    used = {int(one) for group in re.findall(r"\[(\d+(?:, \d+)*)\](?!\()", text) for one in group.split(", ")}
    assert used == numbers
