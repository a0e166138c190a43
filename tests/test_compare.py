"""Arms, runs and sweeps side by side: what a name stands for, what differs, and what is never silently compared."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ablate
from ablate.analysis import Metric, Scale, Verdict
from ablate.analysis.unpaired import _judged, unpaired
from ablate.cli.main import BAD_INPUT, main
from ablate.comparison import Comparison, compare
from ablate.errors import ConfigError
from ablate.facts import Status
from ablate.report.comparison import document, to_json, to_page
from ablate.report.comparison_sheets import effects_sheet, settings_sheet
from ablate.results import Sweep, open_sweep
from ablate.sides import sides
from ablate.sweep_facts import SweepFacts
from tests.helpers import python
from tests.recorded import recorded

NORM = {"norm": ["bn", "none"]}
TWO = NORM | {"act": ["relu", "sigmoid"]}
BN, NONE = "00000000", "00000001"
OUTPUTS = Path("outputs")
DOCS = (Path(__file__).parent.parent / "docs" / "report.md").read_text(encoding="utf-8")
ACCURACY = Metric("val/acc", True, Scale.points, 1.0)


def compared(*names: str, target: float | None = None) -> Comparison:
    return compare(sides(names, OUTPUTS), target)


def reseeded(sweep: Sweep, by: int) -> None:
    """Give the runs of a sweep other seeds, in other folders."""
    for record in reversed(sweep.records):
        record.facts.seed += by
        record.folder = record.folder.rename(record.folder.with_name(f"seed={record.facts.seed}"))
        record.save()


# What a name stands for


@pytest.mark.parametrize(
    ("name", "runs"),
    [
        (BN, 6),
        (f"{BN}/seed=2", 1),
        (f"outputs/made-up/arm-{BN}", 6),
        (f"outputs/made-up/arm-{BN}/seed=2", 1),
        (f"made-up/arm-{BN}/seed=2", 1),
    ],
)
def test_an_arm_or_run_is_named_by_its_folder_or_hash(tmp_path: Path, name: str, runs: int) -> None:
    recorded(tmp_path, NORM)
    first, second = sides([name, NONE], OUTPUTS)
    assert (first.letter, first.name, len(first.sweep.records), first.arms) == ("A", "norm=bn", runs, [BN])
    assert (second.letter, second.name, second.is_sweep) == ("B", "norm=none", False)


@pytest.mark.parametrize("name", ["made-up", "outputs/made-up"])
def test_a_sweep_is_named_by_its_name_or_folder(tmp_path: Path, name: str) -> None:
    recorded(tmp_path, NORM)
    recorded(tmp_path, TWO, name="other")
    first, second = sides([name, "other"], OUTPUTS)
    assert first.is_sweep
    assert (first.name, first.arms, second.name) == ("made-up", [BN, NONE], "other")


def test_a_folder_is_named_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(tmp_path, NORM)
    recorded(tmp_path, NORM | {"act": ["relu"]}, name="other")
    monkeypatch.chdir(OUTPUTS / "made-up")
    first, second = sides([".", "../other"], OUTPUTS)
    assert (first.name, second.name) == ("made-up", "other")
    monkeypatch.chdir(f"arm-{BN}")
    assert main(["compare", "seed=0", "seed=1"]) == 0
    assert sides(["seed=0", "seed=1"], OUTPUTS)[0].home == tmp_path / "outputs" / "made-up"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([BN], ["two or more", "python -m ablate compare"]),
        ([BN, "mode-up"], ["no run, arm or sweep 'mode-up'", "Did you mean 'made-up'?", "Sweeps there: made-up"]),
        ([BN, "00000002"], ["no run, arm or sweep '00000002'", "Did you mean '0000000"]),
        ([BN, f"{NONE}/seed=9"], ["Did you mean '00000001/seed="]),
        ([BN, f"outputs/made-up/arm-{BN}"], [f"{BN} and outputs/made-up/arm-{BN} are the same 6 runs"]),
        (["made-up", "outputs/made-up"], ["the same 12 runs"]),
        (["made-up", BN], ["made-up is a sweep of 2 arms, 00000000 is one arm", f"{BN}, {NONE}"]),
        ([BN] * 27, ["at most 26, not 27"]),
        ([BN, NONE, "--nope"], ["--nope", "no such flag"]),
        ([BN, NONE, "--html"], ["--html needs a file"]),
        ([BN, NONE, "--html", "."], ["--html .: this is no file"]),
        ([BN, NONE, "--html", f"outputs/made-up/arm-{BN}/seed=0/record.json/page.html"], ["--html", "another file"]),
        ([BN, NONE, "--json=3"], ["--json takes no value"]),
        ([BN, NONE, "target=much"], ["target=much", "a number"]),
        ([BN, NONE, "output_dir=elsewhere"], ["in elsewhere", "Sweeps there: none"]),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: Sequence[str], words: Sequence[str]
) -> None:
    recorded(tmp_path, NORM)
    assert main(["compare", *names]) == BAD_INPUT
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert all(word in told for word in words), told


def test_only_sweeps_are_listed_as_such(tmp_path: Path) -> None:
    for name in ("made-up", "made-up-tuning", "made-up-calibration"):
        recorded(tmp_path, NORM, seeds=1, name=name)
    (tmp_path / "outputs" / "stranger").mkdir()
    with pytest.raises(ConfigError, match=r"Sweeps there: made-up; "):
        sides([BN, "nothing-like-it"], OUTPUTS)


# What is compared


def test_arms_that_share_seeds_are_contrasted_within_each_seed(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, NORM)
    found = compared(BN, NONE)
    frame = sweep.frame()
    best = frame.pivot_table("best", "seed", "arm_hash")
    (one,) = [one for one in found.contrasts if one.metric.column == "best"]
    expected = stats.ttest_1samp(best[NONE] - best[BN], 0)
    low, high = expected.confidence_interval(0.95)
    assert (one.level, one.baseline, one.test.seeds, one.pairs, one.pairs_planned) == ("B", "A", 6, 6, 6)
    assert one.test.estimate == pytest.approx(100 * (best[NONE] - best[BN]).mean(), abs=1e-12)
    assert (one.test.low, one.test.high) == pytest.approx((100 * low, 100 * high), abs=1e-10)
    assert one.test.p == pytest.approx(expected.pvalue, abs=1e-14)
    assert one.test.p_flip == 2 / 2**6
    assert not found.unpaired
    same = sweep.effects([found.contrasts[0].metric])
    assert compared(NONE, BN, target=0.85).contrasts[0].test == same.contrasts[0].test


def test_only_what_differs_is_listed(tmp_path: Path) -> None:
    recorded(tmp_path, TWO)
    found = compared("00000000", "00000002", "00000002/seed=3")
    assert found.settings == {"norm": ["bn", "none", "none"], "seed": ["0, 1, 2, 3, 4, 5"] * 2 + ["3"]}
    assert settings_sheet(found).heads == ("setting", "A", "B", "C")


def test_seeds_that_one_side_lacks_are_left_out_and_named(tmp_path: Path) -> None:
    recorded(tmp_path, NORM)
    reseeded(recorded(tmp_path, NORM, name="later"), 2)
    found = compared(f"made-up/arm-{BN}", f"later/arm-{NONE}")
    (one,) = [one for one in found.contrasts if one.metric.column == "best"]
    assert (one.test.seeds, one.pairs_planned, one.notes) == (4, 4, ())
    (note,) = [note for note in found.notes if "paired by" in note]
    assert "2, 3, 4, 5; the runs of seed 0, 1, 6, 7 are on one side only" in note


def test_a_seed_whose_run_failed_is_told_from_one_that_a_side_lacks(tmp_path: Path) -> None:
    recorded(tmp_path, NORM, failed=[(1, 2)])
    (note,) = [note for note in compared(BN, NONE).notes if "paired by" in note]
    assert note.endswith("on both sides, 0, 1, 3, 4, 5; the run of seed 2 of B has no result.")
    recorded(tmp_path, NORM, seeds=2, failed=[(1, 1)], name="two")
    told = compared(f"two/arm-{BN}", f"two/arm-{NONE}").notes
    assert any("the run of seed 1 of B has no result" in note for note in told), told


def test_arms_without_a_seed_in_common_are_two_groups(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, NORM)
    reseeded(Sweep("", sweep.folder, sweep.records[6:], []), 10)
    found = compared(BN, NONE)
    assert found.contrasts == []
    (one,) = [one for one in found.unpaired if one.metric.column == "best"]
    a, b = (found.frame.loc[found.frame["side"] == side, "best"] for side in "AB")
    low, high = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert (one.low, one.high) == pytest.approx((100 * low, 100 * high), abs=1e-10)
    assert one.runs == (6, 6)
    assert "A and B have no seed in common: compared as two groups, without pairs." in found.notes
    assert "unpaired, 6 and 6 runs" in one.sentence()


@pytest.mark.parametrize(("second", "paired"), [(1, False), (0, True)])
def test_of_two_single_runs_there_is_no_interval(tmp_path: Path, second: int, paired: bool) -> None:
    recorded(tmp_path, NORM)
    found = compared(f"{BN}/seed=0", f"{NONE}/seed={second}")
    if paired:
        one = next(one for one in found.contrasts if one.metric.column == "best")
        assert (one.test.interval, one.test.verdict) == (None, Verdict.unjudged)
        assert "one seed: no interval and no verdict" in one.sentence()
        return
    two = next(one for one in found.unpaired if one.metric.column == "best")
    assert (two.interval, two.p, two.verdict) == (None, None, Verdict.unjudged)
    assert "one run has no spread, so there is no interval and no verdict" in two.sentence()


def test_arms_of_one_sweep_have_its_target(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, NORM)
    own = Sweep("", sweep.folder, sweep.records, sweep.factors).target()
    found = compared(BN, NONE)
    assert (found.target, found.why_target) == (own.value, f"that of made-up: {own.why}")
    assert (compared(BN, NONE, target=0.7).target, compared(BN, NONE, target=0.7).why_target) == (0.7, "as given")


def test_the_target_is_not_looked_for_above_runs_that_were_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = recorded(tmp_path, NORM)
    for record, name in zip(sweep.records[5:7], ("one", "two"), strict=True):
        record.folder.rename(tmp_path / name)
    changed(recorded(tmp_path, {"act": ["relu", "tanh"]}, name="stranger"), act="relu")
    monkeypatch.setattr("ablate.comparison.open_sweep", lambda folder: pytest.fail(f"{folder} was searched"))
    found = compared(str(tmp_path / "one"), str(tmp_path / "two"))
    assert found.why_target.startswith("the best median of the compared arms")


def test_a_whole_number_given_to_each_sweep_is_their_target(tmp_path: Path) -> None:
    for name in ("made-up", "other"):
        sweep = recorded(tmp_path, NORM, name=name)
        arms = list(dict.fromkeys(record.facts.arm_hash for record in sweep.records))
        SweepFacts("full", NORM, list(range(6)), arms, target=1).save(sweep.folder)
    found = compared("made-up", "other")
    assert (found.target, found.why_target) == (1, "as given to each")


def test_arms_that_differ_in_a_version_alone_are_levels_of_a_factor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a folder without ``sweep.json``."""
    for record in recorded(tmp_path, NORM).records:
        record.facts.settings, record.facts.arm = {"norm": "bn"}, "norm=bn"
        record.facts.versions["third-party"] = record.facts.arm_hash
        record.save()
    sweep = open_sweep(OUTPUTS / "made-up")
    assert sweep.factors == ["arm"]
    (one,) = [one for one in sweep.effects().contrasts if one.metric.column == "best"]
    assert (one.level, one.baseline, one.test.seeds) == (f"default-{NONE}", f"default-{BN}", 6)
    assert list(sweep.curves())[:2] == ["arm", "seed"]
    assert main(["report", "made-up"]) == 0
    assert main(["report", "made-up", "--format", "json"]) == 0
    found = compared(BN, NONE).notes
    assert not any("the same run" in note for note in found), found
    capsys.readouterr()


def test_sweeps_are_compared_arm_by_arm_and_effect_by_effect(tmp_path: Path) -> None:
    recorded(tmp_path, TWO)
    recorded(tmp_path, NORM | {"act": ["relu"]}, name="other")
    found = compared("made-up", "other")
    assert found.arms == ["norm=bn,act=relu", "norm=none,act=relu"]
    assert {one.within for one in found.contrasts} == {("arm", arm) for arm in found.arms}
    assert sorted(found.frame.groupby(["arm", "side"]).size().tolist()) == [6, 6, 6, 6]
    shown = {(row[0].text, row[1].text) for row in effects_sheet(found).rows}
    assert ("norm=bn against none", "best val/acc") in shown
    assert {effect for effect, _ in shown} == {"norm=bn against none"}
    assert "In one sweep only: act=sigmoid against relu (A)." in effects_sheet(found).notes


def test_sweeps_without_an_arm_in_common_show_their_effects(tmp_path: Path) -> None:
    recorded(tmp_path, NORM)
    recorded(tmp_path, NORM | {"act": ["tanh"]}, name="other")
    found = compared("made-up", "other")
    assert (found.arms, found.contrasts, found.unpaired) == ([], [], [])
    assert len(effects_sheet(found).rows) == 4
    assert "The sweeps have no arm in common: only the effects of their factors stand side by side." in found.notes
    assert json.loads(to_json(found))["common"] == []
    assert "Effects side by side" in to_page(found)


# What is not


def changed(sweep: Sweep, **settings: str) -> Sweep:
    for record in sweep.records:
        record.facts.settings |= settings
        record.save()
    return sweep


def test_sweeps_with_nothing_in_common_are_refused(tmp_path: Path) -> None:
    recorded(tmp_path, NORM)
    recorded(tmp_path, {"act": ["relu", "tanh"]}, name="other")
    with pytest.raises(ConfigError, match=r"no arm and no effect in common.*made-up varies norm; other varies act"):
        compared("made-up", "other")


def test_different_metrics_are_refused(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, NORM)
    for record in sweep.records[6:]:
        record.facts.metric, record.facts.higher_is_better = "val/loss", False
        record.save()
    with pytest.raises(ConfigError, match=r"different metrics.*00000000 by val/acc, 00000001 by val/loss"):
        compared(BN, NONE)


def test_different_data_are_told_and_have_no_contrast(tmp_path: Path) -> None:
    changed(recorded(tmp_path, NORM), data="digits")
    changed(recorded(tmp_path, NORM, name="other"), data="wine")
    found = compared(f"made-up/arm-{BN}", f"other/arm-{NONE}")
    assert (found.contrasts, found.unpaired) == ([], [])
    assert "The sides do not have the same data: they differ in data." in found.notes
    assert any(note.startswith("So there is no contrast") for note in found.notes)


def test_another_setting_of_the_data_is_told(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, NORM)
    changed(Sweep("", sweep.folder, sweep.records[6:], []), **{"data.train_size": "60"})
    found = compared(BN, NONE)
    assert "The sides do not have the same data: they differ in data.train_size." in found.notes
    assert found.contrasts


def test_unequal_budgets_are_told_and_their_mean_losses_not_compared(tmp_path: Path) -> None:
    for record in recorded(tmp_path, NORM).records:
        record.facts.budget = 200 if record.facts.arm_hash == BN else 400
        record.save()
    found = compared(BN, NONE)
    assert {one.metric.column for one in found.contrasts} == {"steps_to_target", "best", "test/acc"}
    assert any("unequal budgets (200 and 400 steps)" in note for note in found.notes)


def budgeted(sweep: Sweep, budget: int | None) -> Sweep:
    for record in sweep.records:
        record.facts.budget = budget
        record.save()
    return sweep


def test_a_failed_run_makes_no_budgets_unequal(tmp_path: Path) -> None:
    budgeted(recorded(tmp_path, NORM, failed=[(1, 2)]), 200)
    found = compared(BN, NONE)
    assert not any("unequal budgets" in note for note in found.notes)
    assert "area" in {one.metric.column for one in found.contrasts}


@pytest.mark.parametrize("status", ["finished", "diverged"])
def test_a_run_that_lost_its_curve_does_not_end_the_comparison(tmp_path: Path, status: str) -> None:
    sweep = budgeted(recorded(tmp_path, NORM), 200)
    (sweep.records[3].folder / "metrics.csv").unlink()
    sweep.records[3].facts.status = Status(status)
    sweep.records[3].save()
    (one,) = [one for one in sweep.effects().contrasts if one.metric.column == "steps_to_target"]
    # one that diverged before it was first measured did not reach the target; of one that finished nobody knows
    assert (one.pairs, one.side.censored) == ((6, 1) if status == "diverged" else (5, 0))
    (same,) = [one for one in compared(NONE, BN, target=0.85).contrasts if one.metric.column == "steps_to_target"]
    assert same.test.differences == pytest.approx(one.test.differences, abs=1e-14)


def test_records_of_old_without_a_budget_count_with_their_steps(tmp_path: Path) -> None:
    sweep = budgeted(recorded(tmp_path, NORM), None)
    budgeted(Sweep("", sweep.folder, sweep.records[:6], []), 400)
    found = compared(BN, NONE, target=0.95)
    (one,) = [one for one in found.contrasts if one.metric.column == "steps_to_target"]
    times = found.frame.pivot_table("steps_to_target", "seed", "side", dropna=False).astype(float)
    expected = np.log2(times["B"].fillna(200) / times["A"])
    assert times["B"].isna().any()
    assert not (times["A"] > 200).any()
    assert list(one.test.differences) == pytest.approx(expected.tolist(), abs=1e-12)
    both = Sweep("", sweep.folder, sweep.records, ["norm"], 0.95).effects(["steps_to_target"]).contrasts[0]
    assert sorted(np.abs(both.test.differences)) == pytest.approx(sorted(np.abs(expected)), abs=1e-12)


def test_what_one_sweep_has_not_measured_yet_is_shown_of_the_other(tmp_path: Path) -> None:
    for record in recorded(tmp_path, NORM).records:
        record.facts.test = {}
        record.save()
    recorded(tmp_path, TWO | {"act": ["relu"]}, name="other")
    effects = compared("made-up", "other").effects
    measured = {side: {one.metric.column for one in told.contrasts} for side, told in effects.items()}
    assert measured["B"] - measured["A"] == {"test/acc"}
    assert measured["A"] >= {"steps_to_target", "best", "area"}


def test_runs_without_a_result_are_no_comparison(tmp_path: Path) -> None:
    recorded(tmp_path, NORM, seeds=2, failed=[(0, 0), (0, 1), (1, 0), (1, 1)])
    with pytest.raises(ConfigError, match="none of these runs has ended with a result"):
        compared(BN, NONE)


def test_a_side_without_a_result_is_told(tmp_path: Path) -> None:
    recorded(tmp_path, NORM, seeds=2, failed=[(0, 0), (0, 1)])
    found = compared(BN, NONE)
    assert "Every run of A failed." in found.notes
    assert (found.contrasts, found.unpaired) == ([], [])


def test_the_same_settings_are_told(tmp_path: Path) -> None:
    recorded(tmp_path, NORM)
    assert any("runs of one seed are the same run" in note for note in compared(f"{BN}/seed=0", f"{BN}/seed=1").notes)


def test_a_record_that_cannot_be_read_is_named_and_the_others_compared(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, NORM)
    (sweep.records[0].folder / "record.json").write_text("{", encoding="utf-8")
    found = compared(BN, NONE)
    assert any("seed=0/record.json cannot be read" in note for note in found.notes)
    assert {one.test.seeds for one in found.contrasts} == {5}


# Two groups


def groups(*values: Iterable[float]) -> pd.DataFrame:
    rows = [(side, value) for side, own in zip("AB", values, strict=True) for value in own]
    return pd.DataFrame(
        {"side": side, "seed": seed, "val/acc": value, "time": 1000 * value} for seed, (side, value) in enumerate(rows)
    )


def test_two_groups_have_welchs_interval_and_the_permutation_test() -> None:
    a, b = np.array([0.5, 0.52, 0.58, 0.51, 0.6]), np.array([0.7, 0.9, 0.65, 0.72, 0.71])
    (one,), refused = unpaired(groups(a, b), "side", [ACCURACY], baseline="A")
    assert refused == []
    va, vb = a.var(ddof=1) / 5, b.var(ddof=1) / 5
    freedom = (va + vb) ** 2 / (va**2 / 4 + vb**2 / 4)
    mean, half = b.mean() - a.mean(), stats.t.ppf(0.975, freedom) * np.sqrt(va + vb)
    assert (one.estimate, one.low, one.high) == pytest.approx(
        (100 * mean, 100 * (mean - half), 100 * (mean + half)), abs=1e-10
    )
    assert one.p == pytest.approx(2 * stats.t.sf(mean / np.sqrt(va + vb), freedom), abs=1e-14)
    pool = np.concatenate([a, b])
    deals = [pool[list(at)].mean() - np.delete(pool, list(at)).mean() for at in itertools.combinations(range(10), 5)]
    assert one.p_permutation == pytest.approx(np.mean([abs(deal) >= mean - 1e-12 for deal in deals]), abs=1e-12)
    assert (one.verdict, one.runs) == (Verdict.better, (5, 5))
    assert one.means == pytest.approx((b.mean(), a.mean()), abs=1e-14)


def test_below_five_runs_a_side_two_groups_have_no_verdict() -> None:
    (one,), _ = unpaired(groups([0.1, 0.2, 0.1, 0.2], [0.8, 0.9, 0.9, 0.8, 0.9]), "side", [ACCURACY], baseline="A")
    assert one.verdict is Verdict.unjudged
    assert "no verdict below 5 each" in one.sentence()


def test_times_of_two_groups_are_ratios_cut_at_the_budget() -> None:
    time = Metric("time", False, Scale.ratio, 1.1, pace=True, censored=True)
    frame = groups([0.1, 0.2], [0.4, np.nan])
    (one,), _ = unpaired(frame, "side", [time], baseline="A", budget=800)
    assert one.estimate == pytest.approx(np.sqrt(400 * 800) / np.sqrt(100 * 200), abs=1e-12)
    assert (one.censored, one.means) == ((1, 0), (600.0, 150.0))
    _, (refusal,) = unpaired(frame.assign(time=np.nan), "side", [time], baseline="A", budget=800)
    assert "no run reached the target" in refusal.sentence()


TIME = Metric("time", False, Scale.ratio, 1.1, pace=True, censored=True)


def test_times_are_cut_at_the_budget_that_all_arms_have_in_common() -> None:
    short = groups([0.1, 0.2], [0.4, np.nan]).assign(arm="a", budget=500)
    long = groups([0.1, 0.2], [0.7, np.nan]).assign(arm="b", budget=800)
    found, _ = unpaired(pd.concat([short, long]), "side", [TIME], baseline="A", by="arm")
    assert [one.means[0] for one in found] == [(400 + 500) / 2, (500 + 500) / 2]
    assert [one.censored for one in found] == [(1, 0), (2, 0)]


def test_only_where_neither_group_reached_it_is_there_nothing_to_compare() -> None:
    never = groups([0.1, 0.2], [np.nan, np.nan])
    (one,), refused = unpaired(never, "side", [TIME], baseline="A", budget=800)
    assert (one.means, one.censored, refused) == ((800, 150), (2, 0), [])


def test_two_constant_groups_are_the_same_or_differ_without_doubt() -> None:
    (one,), _ = unpaired(groups([0.5] * 5, [0.5] * 5), "side", [ACCURACY], baseline="A")
    assert (one.p, one.p_permutation, one.verdict) == (1.0, 1.0, Verdict.inconclusive)
    (two,), _ = unpaired(groups([0.5] * 5, [0.75] * 5), "side", [ACCURACY], baseline="A")
    assert (two.p, two.verdict) == (0.0, Verdict.better)


def test_both_tests_are_adjusted_by_holm_over_the_contrasts_of_a_metric() -> None:
    frame = groups([0.5, 0.52, 0.58, 0.51, 0.6], [0.7, 0.9, 0.65, 0.72, 0.71])
    near = frame.assign(arm="b", **{"val/acc": frame["val/acc"] - 0.1 * (frame["side"] == "B")})
    one, two = unpaired(pd.concat([frame.assign(arm="a"), near]), "side", [ACCURACY], baseline="A", by="arm")[0]
    assert one.p is not None
    assert two.p is not None
    assert one.p_permutation is not None
    assert two.p_permutation is not None
    assert (one.family, two.family) == (2, 2)
    assert one.p < two.p
    assert one.p_permutation < two.p_permutation
    assert (one.p_holm, two.p_holm) == (2 * one.p, max(2 * one.p, two.p))
    assert (one.p_permutation_holm, two.p_permutation_holm) == pytest.approx(
        (2 * one.p_permutation, max(2 * one.p_permutation, two.p_permutation)), abs=1e-15
    )


@pytest.mark.parametrize(("p", "permuted"), [(0.001, 0.2), (0.2, 0.001), (None, 0.001), (0.001, None)])
def test_an_effect_without_both_tests_is_none(
    monkeypatch: pytest.MonkeyPatch, p: float | None, permuted: float | None
) -> None:
    (one,), _ = unpaired(groups([0.5] * 5, [0.75] * 5), "side", [ACCURACY], baseline="A")
    monkeypatch.setattr("ablate.analysis.unpaired.holm", lambda values: values)
    (judged,) = _judged([replace(one, p=p, p_permutation=permuted)])
    assert judged.verdict is Verdict.inconclusive


def test_a_group_without_a_value_is_refused_by_name() -> None:
    _, (refusal,) = unpaired(groups([0.1, 0.2], [np.nan]), "side", [ACCURACY], baseline="A")
    assert refusal.sentence() == "Not estimated: val/acc of side=B against side=A: no run of side=B has it."


# Its faces


def test_what_cannot_be_contrasted_is_told_by_metric_and_side(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, NORM)
    for record in sweep.records[6:]:
        record.facts.test = {}
        record.save()
    told = [note for note in compared(BN, NONE).notes if note.startswith("Not estimated")]
    assert told == [
        "Not estimated: test/acc of B against A: no seed has both with everything else equal, as test/acc "
        "was not measured.",
    ]


@pytest.mark.parametrize("apart", [0, 10])
def test_sides_and_arms_are_called_as_in_the_tables(tmp_path: Path, apart: int) -> None:
    recorded(tmp_path, NORM)
    reseeded(recorded(tmp_path, NORM, name="other"), apart)
    for found in (compared("made-up", "other"), compared(f"made-up/arm-{BN}", f"other/arm-{NONE}")):
        told = document(found)
        sentences = [one["sentence"] for one in (*told["contrasts"], *told["unpaired"])]
        assert sentences
        assert all(one.startswith("B against A") for one in sentences)
        assert not [one for one in (*sentences, *told["notes"]) if "side=" in one or " arm=" in one]


def keys(value: Any) -> set[str]:
    """Return every name in a document, but those that users choose."""
    chosen = ("differing", "within", "effects")
    if isinstance(value, dict):
        return set(value) | {name for key, one in value.items() if key not in chosen for name in keys(one)}
    return {name for one in value for name in keys(one)} if isinstance(value, list) else set()


def test_json_has_every_name_documented_and_no_nan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = recorded(tmp_path, TWO, failed=[(1, 2)])
    reseeded(Sweep("", sweep.folder, sweep.records[18:], []), 10)
    names = ["00000000", "00000001", "00000003"]
    assert main(["compare", *names, "--json"]) == 0
    read = json.loads(capsys.readouterr().out, parse_constant=lambda constant: pytest.fail(constant))
    assert read == document(compared(*names))
    assert read["schema"] == 1
    assert [side["given"] for side in read["sides"]] == names
    assert read["differing"]["norm"] == {"A": "bn", "B": "bn", "C": "none"}
    assert {one["level"] for one in read["contrasts"]} == {"B"}
    assert {one["level"] for one in read["unpaired"]} == {"C"}
    assert keys(read) - set(re.findall(r"`([\w/]+)`", DOCS)) == set()


def test_the_terminal_has_all_of_it_in_a_hundred_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path, {"norm": ["bn", "none", "[ln]"], "optimizer_with_a_long_name": ["sgd", "adam"]})
    recorded(tmp_path, {"norm": ["bn", "none"], "optimizer_with_a_long_name": ["adam"]}, name="other")
    for names in (["00000000", "00000001", "00000005"], ["made-up", "other"]):
        assert main(["compare", *names]) == 0
        out = capsys.readouterr().out
        assert max(map(len, out.splitlines())) <= 100
        for words in ("What differs", "How they came out", "Contrasts, paired by seed", "B against A", "…"):
            assert (words in out) == (words != "…"), out


@pytest.mark.parametrize("diverged", [6, 1])
def test_the_side_is_shown_however_little_room_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], diverged: int
) -> None:
    sweep = recorded(tmp_path, NORM)
    for record in sweep.records[6 : 6 + diverged]:
        record.facts.status = Status.diverged
        record.save()
    assert main(["compare", BN, NONE]) == 0
    table = capsys.readouterr().out.partition("How they came out")[2].partition("Means over")[0]
    assert max(map(len, table.splitlines())) <= 100
    assert re.search(r"^ side ", table, re.MULTILINE), table
    told = "6 diverged" if diverged == 6 else "5 finished, 1 diverged"
    assert re.search(rf"^ B +{told} ", table, re.MULTILINE), table
    assert "No room here for: seconds" in table
    assert [line[:3] for line in table.splitlines() if line.startswith((" A ", " B "))] == [" A ", " B "]


class Tags(HTMLParser):
    """The tags of a page, and the sections."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sections: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "section":
            self.sections.append(dict(attrs)["id"])


def test_the_page_has_curves_and_contrasts_and_no_name_becomes_markup(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script>"
    recorded(tmp_path, {hostile: [hostile, "<img src=x>"]})
    found = compared(BN, NONE)
    text = to_page(found)
    page = Tags(text)
    assert page.sections == ["findings", "settings", "curves", "figures", "contrasts", "sides"]
    assert hostile not in text
    assert page.tags.count("script") == 3 + 2 + 4  # its own, the curves, a forest plot for each metric
    assert "img src=x" not in re.sub(r"&lt;img src=x&gt;", "", text)


def test_a_page_is_written_where_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(tmp_path, NORM)
    assert main(["compare", BN, NONE, "--html", "found/page.html"]) == 0
    assert "Page:        found/page.html" in capsys.readouterr().out
    assert Path("found/page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_it_needs_neither_torch_nor_lightning(tmp_path: Path) -> None:
    recorded(tmp_path, NORM)
    code = (
        "import sys; from ablate.cli.main import main; "
        f"assert main(['compare', '{BN}', '{NONE}', '--html', 'page.html']) == 0; "
        "print([name for name in ('torch', 'lightning') if name in sys.modules])"
    )
    done = python("-c", code)
    assert done.stdout.endswith("[]\n"), done.stderr


def test_arms_that_were_trained_are_compared(
    short_sweep: Callable[[Sequence[str]], ablate.Sweep], capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = short_sweep(["norm=bn,none", "seed=0,1"])
    capsys.readouterr()
    assert main(["compare", *dict.fromkeys(record.facts.arm_hash for record in sweep.records)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^ norm +bn +none", out, re.MULTILINE)
    assert re.search(r"^ norm.eps +1e-05 +–", out, re.MULTILINE)
    assert "best val/acc" in out
