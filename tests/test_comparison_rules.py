"""What a comparison pairs, what it keeps apart, and what it leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablate.comparison import Comparison, compare
from ablate.facts import Status
from ablate.report.comparison import _curves, _findings
from ablate.report.comparison_sheets import sides_sheet
from ablate.results import Sweep, open_sweep
from ablate.sides import sides
from tests.recorded import recorded
from tests.test_compare import BN, NONE, NORM, OUTPUTS, TWO, changed, reseeded


def compared(*names: str, target: float | None = None) -> Comparison:
    return compare(sides(names, OUTPUTS), target)


def test_one_seed_in_common_is_no_pairing_where_two_groups_say_more(tmp_path: Path) -> None:
    recorded(tmp_path, NORM)
    reseeded(recorded(tmp_path, NORM, name="later"), 5)
    found = compared(f"made-up/arm-{BN}", f"later/arm-{NONE}")
    assert found.contrasts == []
    assert {one.runs for one in found.unpaired if one.metric.column == "best"} == {(6, 6)}
    assert "A and B have only seed 5 in common: compared as two groups, without pairs." in found.notes


def test_a_side_without_pairs_is_in_no_paired_contrast(tmp_path: Path) -> None:
    recorded(tmp_path, NORM)
    reseeded(recorded(tmp_path, NORM, name="later"), 5)
    found = compared(f"made-up/arm-{BN}", f"made-up/arm-{NONE}", f"later/arm-{NONE}")
    assert {one.level for one in found.contrasts} == {"B"}
    assert {one.test.seeds for one in found.contrasts} == {6}
    assert {one.level for one in found.unpaired} == {"C"}


def test_arms_that_the_first_sweep_has_not_are_not_compared(tmp_path: Path) -> None:
    recorded(tmp_path, NORM | {"act": ["relu"]})
    for name in ("second", "third"):
        recorded(tmp_path, TWO, name=name)
    found = compared("made-up", "second", "third")
    assert found.arms == ["norm=bn", "norm=none"]
    assert {one.level for one in found.contrasts} == {"B", "C"}


def test_an_arm_that_is_there_in_two_versions_is_left_out(tmp_path: Path) -> None:
    recorded(tmp_path, NORM)
    twice = recorded(tmp_path, {"norm": ["bn", "none", "ln"]}, name="twice")
    changed(Sweep("", twice.folder, twice.records[12:], []), norm="none")
    found = compared("made-up", "twice")
    assert found.arms == ["norm=bn"]
    assert any(note.startswith("norm=none is in B twice, with options of different versions") for note in found.notes)


def test_effects_are_at_the_target_of_all(tmp_path: Path) -> None:
    recorded(tmp_path, NORM)
    recorded(tmp_path, TWO | {"act": ["relu"]}, name="other")
    found = compared("made-up", "other", target=0.7)
    sweep = open_sweep(OUTPUTS / "made-up")
    expected = Sweep("", sweep.folder, sweep.records, ["norm"], 0.7).effects(["steps_to_target"]).contrasts[0]
    (own,) = [one for one in found.effects["A"].contrasts if one.metric.column == "steps_to_target"]
    assert own.test == expected.test


def test_sweeps_over_data_are_contrasted_within_each(tmp_path: Path) -> None:
    recorded(tmp_path, {"data": ["digits", "wine"], "norm": ["bn", "none"]})
    recorded(tmp_path, {"data": ["digits"], "norm": ["bn", "none"]}, name="other")
    found = compared("made-up", "other")
    assert "data" in found.settings
    assert {one.within for one in found.contrasts} == {("arm", f"data=digits,norm={norm}") for norm in ("bn", "none")}


def test_runs_that_diverged_are_told_and_another_version_is_a_difference(tmp_path: Path) -> None:
    for record in recorded(tmp_path, NORM).records[6:]:
        record.facts.status, record.facts.versions = Status.diverged, record.facts.versions | {"torch": "1.0"}
        record.save()
    found = compared(BN, NONE)
    assert any("diverged" in note and "B" in note for note in found.notes), found.notes
    assert found.settings["version of torch"] == ["2.13.0", "1.0"]


def test_where_less_is_better_the_target_is_a_least(tmp_path: Path) -> None:
    for record in recorded(tmp_path, NORM).records:
        record.facts.metric, record.facts.higher_is_better = "val/loss", False
        record.save()
    assert sides_sheet(compared(BN, NONE, target=0.7)).notes == ("Target of all: val/loss ≤ 0.7 (as given).",)
    assert sides_sheet(compared(BN, NONE, target=0.7)).notes != sides_sheet(compared(BN, NONE, target=0.8)).notes


@pytest.mark.parametrize(("names", "tone"), [((BN, NONE), "bad"), ((NONE, BN), "good")])
def test_of_two_groups_what_is_worse_is_bad_and_what_is_better_is_good(
    tmp_path: Path, names: tuple[str, str], tone: str
) -> None:
    sweep = recorded(tmp_path, NORM)
    reseeded(Sweep("", sweep.folder, sweep.records[6:], []), 10)
    found = compared(*names)
    (told,) = [one for one in _findings(found) if "points of best val/acc" in one.sentence]
    assert (told.verdict, told.tone) == ("worse" if tone == "bad" else "better", tone)


def test_the_target_is_drawn_where_it_is_of_the_metric(tmp_path: Path) -> None:
    recorded(tmp_path, NORM)
    section = _curves(compared(BN, NONE, target=0.85))
    assert section is not None
    drawn = {one.title: "target 0.85" in str(one.charts) for one in section.figures}
    assert drawn == {"val/acc": True, "val/loss": False}
