"""What a sweep compares: of a path, which chose its steps by the runs that it has; of a target that nobody reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablate.analysis import Metric
from ablate.results import Sweep
from ablate.sweep_facts import SweepFacts
from tests.recorded import recorded


def test_a_report_of_a_path_compares_its_ends_and_no_factor(tmp_path: Path) -> None:
    factors = {"norm": ["bn", "none"], "act": ["relu", "tanh"]}
    facts = SweepFacts(design="path", factors=factors)
    whole = recorded(tmp_path, factors, facts=facts)
    raced = [one for one in whole.records if one.facts.seed < 3 or one.facts.settings["norm"] == "bn"]
    raced += [one for one in whole.records if one.facts.arm_hash == "00000003" and one.facts.seed >= 3]
    sweep = Sweep("made-up", whole.folder, raced, list(factors), target=0.85, facts=facts)
    found = sweep.effects([Metric("best", True)])
    (one,) = found.contrasts
    assert (one.name, one.test.seeds) == ("path=end against path=start", 6)
    wide = sweep.frame().pivot(index="seed", columns="arm_hash", values="best")
    assert list(one.test.differences) == pytest.approx((wide["00000003"] - wide["00000000"]).tolist())
    assert not found.interactions
    assert not found.shares
    assert [one.sentence() for one in found.refused] == [
        "Not estimated: norm and act: the path chose its steps by these very runs."
    ]
    assert not [note for note in found.notes if "missing" in note]
    begun = Sweep("made-up", whole.folder, raced[:3], list(factors), target=0.85, facts=facts).effects()
    assert (begun.contrasts, len(begun.refused)) == ((), 1)


def test_a_target_that_nobody_reached_is_said(tmp_path: Path) -> None:
    factors = {"norm": ["bn", "none"]}
    made = recorded(tmp_path, factors)
    sweep = Sweep("made-up", made.folder, made.records, list(factors), target=2.0)
    assert [one.column for one in sweep.metrics()] == ["steps_to_target", "best", "area", "test/acc"]
    found = sweep.effects()
    assert [one.sentence() for one in found.refused] == [
        "Not estimated: norm=bn against norm=none: no run reached the target within the budget."
    ]
    assert {one.metric.column for one in found.contrasts} == {"best", "area", "test/acc"}
