"""The means of an arm: over the runs with a result, each with its own budget, and the same on every face."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ablate.facts import Status
from ablate.report.content import content_of
from ablate.report.reached import Steps, steps
from ablate.report.run_sheets import arms_sheet
from ablate.report.terminal import print_sweep
from ablate.results import Sweep
from tests.recorded import recorded


def runs(*rows: tuple[str, float | None, float | None, float | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["status", "steps_to_target", "steps", "budget"])


def test_runs_that_did_not_reach_the_target_count_each_with_its_own_budget() -> None:
    found = runs(("finished", 100, 200, 200), ("finished", None, 200, 200), ("diverged", None, 40, 400))
    assert steps(found) == Steps((100 + 200 + 400) / 3, 1, 3)


def test_runs_without_a_result_do_not_count() -> None:
    ended = [("finished", 100.0, 200.0, 200.0), ("finished", 140.0, 200.0, 200.0)]
    others = [("failed", None, None, 200.0), ("interrupted", 20.0, 20.0, 200.0), ("running", None, 60.0, 200.0)]
    assert steps(runs(*ended, *others)) == steps(runs(*ended)) == Steps(120, 2, 2)


def test_of_a_run_that_lost_its_curve_nobody_knows_whether_it_reached_the_target() -> None:
    lost, blown_up = ("finished", None, None, 200), ("diverged", None, None, 200)
    assert steps(runs(("finished", 100, 200, 200), lost)) == Steps(100, 1, 1)
    assert steps(runs(("finished", 100, 200, 200), blown_up)) == Steps(150, 1, 2)


def test_runs_of_old_without_a_budget_count_with_the_most_steps_of_their_arm() -> None:
    assert steps(runs(("finished", 100, 200, None), ("diverged", None, 40, None))) == Steps(150, 1, 2)


def test_where_no_run_reached_it_there_is_no_mean() -> None:
    assert steps(runs(("finished", None, 200, 200))) == Steps(None, 0, 1)
    assert steps(runs(("failed", 20, 40, 200))) == Steps(None, 0, 0)


def test_all_faces_leave_out_what_is_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = recorded(tmp_path, {"norm": ["bn", "none"]}, seeds=4, failed=[(0, 0)])
    for record in sweep.records:
        record.facts.budget = 200
    sweep.records[1].facts.status = Status.interrupted
    both = sweep.records[2:4]
    expected = Sweep("", sweep.folder, both, ["norm"], 0.85).frame()
    (row, *_) = [row for row in arms_sheet(content_of(sweep)).rows if row[0].text == "bn"]
    assert [cell.text for cell in row[1:3]] == ["4", "2/2"]
    assert [cell.text for cell in row[3:5]] == [
        f"{expected['steps_to_target'].mean():.0f}",
        f"{expected['best'].mean():.3f} ± {expected['best'].std():.3f}",
    ]
    print_sweep(sweep)
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(" bn "))
    assert f" {expected['steps_to_target'].mean():.0f} " in line
    assert f"{expected['best'].mean():.3f} ±{expected['best'].std():.3f}" in line
