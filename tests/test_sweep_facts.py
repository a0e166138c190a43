"""``sweep.json``: read whatever version wrote it, and never passed over without a word."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ablate
from ablate.designs.calibration import Calibrated
from ablate.errors import DamageWarning, RecordError
from ablate.results import open_sweep
from ablate.sweep_facts import SweepFacts, Tuned
from ablate.sweeps import execute
from ablate.sweeps.rounds import Round, Rounds
from tests.recorded import recorded
from tests.test_calibration import plan

Runner = Callable[[list[str]], ablate.Sweep]
TUNED = Tuned({"norm": "bn"}, {"opt.lr": "0.1"}, {"opt.lr": ["0.1"]}, [], {"0.1": 0.9}, {"0.1": 0}, [1_000_000])


def written(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Write what a sweep left, changed."""
    runs = Calibrated("norm=none", [1, 2], [0.8, 0.9], [True, True])
    SweepFacts(arms=["0" * 8], seeds=[0], tuned=[TUNED], calibration=runs).save(folder)
    content = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    change(content)
    (folder / "sweep.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_file_of_old_that_did_not_ask_whether_the_baseline_learned_is_read(tmp_path: Path) -> None:
    written(tmp_path, lambda content: content["calibration"].pop("learned"))
    facts = SweepFacts.load(tmp_path)
    assert facts is not None
    assert facts.calibration == Calibrated("norm=none", [1, 2], [0.8, 0.9], [True, True])


def test_what_a_later_version_adds_is_left_out_and_the_rest_read(tmp_path: Path) -> None:
    def later(content: dict[str, Any]) -> None:
        content["new"] = content["calibration"]["new"] = content["tuned"][0]["new"] = 1
        content["schema"] = SweepFacts.schema + 1

    written(tmp_path, later)
    with pytest.warns(DamageWarning, match="later version"):
        facts = SweepFacts.load(tmp_path)
    assert facts is not None
    assert (facts.tuned, facts.calibration.best) == ([TUNED], [0.8, 0.9])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda content: content["calibration"]["learned"].pop(), "2, 2 and 1"),
        (lambda content: content["tuned"][0].pop("chosen"), "tuned: it lacks chosen"),
        (lambda content: content.update(calibration=[1]), "calibration: it is no object"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], why: str
) -> None:
    written(tmp_path, change)
    with pytest.warns(DamageWarning, match=rf"sweep.json cannot be read: .*{why}"):
        assert SweepFacts.load(tmp_path) is None


def test_a_damaged_file_is_told_and_the_records_are_shown(tmp_path: Path) -> None:
    sweep = recorded(tmp_path, {"norm": ["bn", "none"]}, seeds=2)
    (sweep.folder / "sweep.json").write_text("{", encoding="utf-8")
    with pytest.warns(DamageWarning, match="cannot be read"):
        found = open_sweep(sweep.folder)
    assert (found.factors, len(found.records)) == (["norm"], 4)


def test_before_its_first_reported_run_a_sweep_is_in_training_with_the_arms_that_are_known() -> None:
    rounds = Rounds(plan("norm=bn,none", "tune=lr", "tune_seeds=1"))
    assert rounds.facts().arms == list(dict.fromkeys(run.config.arm_hash for run in rounds.plan.runs))
    execute._tell_watchers(rounds, in_training=True)
    facts = SweepFacts.load(rounds.plan.folder)
    assert facts is not None
    assert (facts.in_training, facts.pid) == (True, os.getpid())


def test_a_sweep_that_ends_leaves_it_said_that_another_process_trains(
    short_sweep: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def called_elsewhere(each: Round, rounds: Rounds, *_: object) -> None:
        facts = rounds.facts()
        facts.pid, facts.host = os.getppid(), os.uname().nodename
        facts.save(rounds.plan.folder)

    monkeypatch.setattr(execute, "_train", called_elsewhere)
    facts = SweepFacts.load(short_sweep(["norm=bn,none"]).folder)
    assert facts is not None
    assert facts.pid == os.getppid()


def test_a_sweep_that_breaks_off_is_in_training_no_more(short_sweep: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(each: Round, rounds: Rounds, *_: object) -> None:
        facts = SweepFacts.load(rounds.plan.folder)
        assert facts is not None
        assert facts.pid == os.getpid()
        raise RuntimeError("broken")

    monkeypatch.setattr(execute, "_train", broken)
    with pytest.raises(RuntimeError, match="broken"):
        short_sweep(["norm=bn,none", "name=broken"])
    facts = SweepFacts.load(Path("outputs/broken"))
    assert facts is not None
    assert (facts.pid, facts.host) == (None, None)


def test_a_process_on_another_machine_is_believed_to_train() -> None:
    assert SweepFacts(pid=2**22 + 1, host="elsewhere").in_training
    assert not SweepFacts(pid=2**22 + 1, host=os.uname().nodename).in_training


def test_nothing_is_decided_on_calibration_runs_without_a_result() -> None:
    rounds = iter(Rounds(plan("norm=bn,none", "calibration=2")))
    assert "calibration" in next(rounds).title
    with pytest.raises(RecordError, match=r"Calibration cannot go on: 2 of its runs have no result yet"):
        next(rounds)
