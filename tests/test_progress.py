"""What is shown while a sweep is trained, in a terminal and elsewhere."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Sequence

import pytest
from rich.console import Console

import ablate
from ablate.engines.planned import PlannedRun
from ablate.report import progress
from ablate.report.progress import BestArm, Progress, remaining
from ablate.report.style import clock_text, console
from ablate.stop import Stop
from tests.helpers import short

Runner = Callable[[Sequence[str]], ablate.Sweep]


@pytest.mark.parametrize(
    ("durations", "ages", "waiting", "workers", "expected"),
    [
        ([], [1.0], 5, 2, None),
        ([4.0, 6.0], [], 4, 2, 10.0),
        ([4.0, 6.0], [2.0, 4.0], 4, 2, 12.0),
        ([5.0], [9.0], 0, 1, 0.0),
    ],
)
def test_the_time_to_go_is_that_of_the_runs_so_far_shared_by_the_workers(
    durations: list[float], ages: list[float], waiting: int, workers: int, expected: float | None
) -> None:
    assert remaining(durations, ages, waiting, workers) == expected


def test_a_notebook_gets_lines_of_text_and_no_display_for_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    console().print("[green]finished[/]")
    assert capsys.readouterr().out == "finished\n"
    assert console().width == 100


def test_times_are_told_as_by_a_clock() -> None:
    assert [clock_text(seconds) for seconds in (0.4, 59.6, 754, 3605)] == ["0:00", "1:00", "12:34", "1:00:05"]


def test_the_best_arm_is_that_with_the_best_mean_over_its_seeds(short_sweep: Runner) -> None:
    sweep = short_sweep(["opt.lr=0.01,0.000001", "seed=0,1"])
    means = sweep.frame().groupby("arm")["best"].mean()
    assert BestArm(sweep).text() == f"Best so far: val/acc {means.max():.4f} (mean of 2 seeds)  {means.idxmax()}"


def test_lower_is_better_where_the_metric_says_so(short_sweep: Runner) -> None:
    sweep = short_sweep(["data=diabetes", "opt.lr=0.01,0.000001"])
    for record in sweep.records:
        record.facts.metric, record.facts.higher_is_better = "val/loss", False
    lowest = min(record.curves()["val/loss"].min() for record in sweep.records)
    assert f"val/loss {lowest:.4f} (1 seed)" in BestArm(sweep).text()


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Return what a terminal of 80 columns is sent."""
    sent = io.StringIO()
    terminal = Console(file=sent, force_terminal=True, width=80, highlight=False, color_system=None)
    monkeypatch.setattr(progress, "console", lambda: terminal)
    return sent


def test_a_terminal_shows_how_far_all_runs_are(
    short_sweep: Runner, short_config: Callable[..., ablate.Config], screen: io.StringIO
) -> None:
    sweep = short_sweep(["norm=bn,none"])
    screen.truncate(0)
    configs = [short_config(f"norm={norm}") for norm in ("bn", "none")]
    runs = [PlannedRun(dataclasses.replace(config, name="digits-mlp"), ()) for config in configs]
    stop = Stop()
    with Progress(sweep, 3, stop) as watch:
        for run in runs:
            watch.started(run)
        watch.ended(runs[0])
        shown = area(watch)
        assert "1/3" in shown[0]
        assert "to go" in shown[0]
        assert shown[1] == "1 finished, 1 running, 1 waiting"
        assert shown[2].split()[-2:] == ["seed=0", "0:00"]
        assert shown[2].split()[0].rstrip("…") in str(runs[1].config.label)
        assert shown[3].startswith("Best so far: val/acc ")
        assert all(len(line) <= 80 for line in shown)
        stop.request()
        assert area(watch)[-1] == "Stopping once checkpoints are written. Ctrl-C again ends at once."
    assert f"[1/3] {runs[0].title}" in screen.getvalue()


def test_a_run_that_ended_before_anybody_saw_it_begin_is_told(short_sweep: Runner, screen: io.StringIO) -> None:
    sweep = short_sweep(["norm=bn,none"])
    config = dataclasses.replace(ablate.compose(short("norm=bn")), name="digits-mlp")
    Progress(sweep, 1, Stop(), live=False).ended(PlannedRun(config, ()))
    assert f"[1/1] {config.label}" in screen.getvalue()


def area(watch: Progress) -> list[str]:
    """Return the lines of the live area at 80 columns."""
    console = Console(file=io.StringIO(), width=80, highlight=False, color_system=None)
    with console.capture() as capture:
        console.print(watch)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_many_running_runs_are_counted_rather_than_named(short_sweep: Runner) -> None:
    sweep = short_sweep(["norm=bn,none"])
    watch = Progress(sweep, 20, Stop())
    for seed in range(12):
        watch.started(PlannedRun(ablate.compose([f"seed={seed}", "label=arm"]), ()))
    shown = area(watch)
    assert sum("arm " in line and "seed=" in line for line in shown) == 8
    assert "… and 4 more" in " ".join(shown)
