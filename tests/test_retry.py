"""What a second call trains: what is missing, what failed, and what diverged only where that is asked for."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from ablate_plugins.regularizers.penalties import L2
from torch import Tensor

import ablate
from ablate.cli.main import main
from ablate.composition import config_loader
from ablate.engines.inline import InlineEngine
from ablate.engines.planned import PlannedRun
from ablate.errors import RecordError
from ablate.facts import Status
from ablate.record import Record, open_record
from ablate.report.preview import print_preview
from ablate.report.terminal import print_sweep
from ablate.stop import Stop
from ablate.sweeps.execute import execute
from ablate.sweeps.plan import make_plan
from ablate.sweeps.preview import preview
from tests.helpers import short

Runner = Callable[[Sequence[str]], ablate.Sweep]


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have ``reg=l2`` raise at a weight of 0.5."""

    def transform(self: L2, x: Tensor, y: Tensor, *_: object) -> tuple[Tensor, Tensor]:
        if self.weight == 0.5 and x.dtype is torch.float32:  # in training: the guard's examples are float64
            raise RuntimeError("trapped")
        return x, y

    monkeypatch.setattr(L2, "transform", transform)


MIXED = ["reg=l2", "reg.l2.weight=0.1,0.5", "opt=sgd", "opt.lr=0.01,1e30"]
"""Fine, diverging, and two that raise."""


def attempts(sweep: ablate.Sweep) -> dict[Status, set[int]]:
    """Return how often the runs of each status were trained."""
    found: dict[Status, set[int]] = {}
    for record in sweep.records:
        found.setdefault(record.status, set()).add(len(record.facts.attempts))
    return found


@pytest.mark.usefixtures("trap")
@pytest.mark.parametrize(
    ("retry", "failed", "diverged"), [("none", 1, 1), ("failed", 2, 1), ("all", 2, 2), (None, 2, 1)]
)
def test_a_second_call_tries_again_what_it_is_told_to(
    short_sweep: Runner, retry: str | None, failed: int, diverged: int
) -> None:
    short_sweep(MIXED)
    again = short_sweep([*MIXED, *([f"retry={retry}"] if retry else [])])
    assert attempts(again) == {Status.finished: {1}, Status.diverged: {diverged}, Status.failed: {failed}}


@pytest.mark.usefixtures("trap")
def test_a_failure_is_listed_with_the_command_that_repeats_it(
    short_sweep: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    print_sweep(short_sweep([*MIXED, r"label='it\'s a\b'", "name=listed"]))
    out = capsys.readouterr().out
    assert out.count("RuntimeError: trapped") >= 2
    command = next(line for line in out.splitlines() if "alone:" in line and "weight=0.5" in line)
    *python, _ = words = shlex.split(command.partition("alone: ")[2])
    assert python[:3] == ["python", "-m", "ablate"]
    assert main(words[3:]) == 1
    trapped = [r for r in short_sweep([*MIXED, "name=listed", "retry=none"]).records if r.status is Status.failed]
    assert sorted(len(record.facts.attempts) for record in trapped) == [1, 2]
    assert {record.facts.arm for record in trapped} == {"it's a\\b"}


def test_again_trains_anew_what_had_ended(short_config: Callable[..., ablate.Config]) -> None:
    config = short_config("norm=bn")
    first = ablate.run(config).curves()["val/loss"].tolist()
    assert len(ablate.run(config).facts.attempts) == 1
    second = ablate.run(config, again=True)
    assert [attempt.from_step for attempt in second.facts.attempts] == [0, 0]
    assert second.curves()["val/loss"].tolist() == first


def test_again_leaves_alone_what_another_process_has_done_meanwhile(
    short_config: Callable[..., ablate.Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = short_config("norm=bn")
    ablate.run(config)
    stale = open_record(config)
    ablate.run(config, again=True)
    monkeypatch.setattr("ablate.training.run.open_record", lambda _: stale)
    assert len(ablate.run(config, again=True).facts.attempts) == 2


class Forgetful(InlineEngine):
    """Leaves runs out, as if other processes had them and then died: the first time, or for good."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def train(self, runs: Sequence[PlannedRun], watch: object, stop: Stop, *, wait: bool = False) -> None:
        """Leave out the first run."""
        self.times -= 1
        super().train(runs[1:] if self.times >= 0 else runs, watch, stop, wait=wait)  # type: ignore[arg-type]


def carry_out(arguments: Sequence[str], engine: InlineEngine) -> ablate.Sweep:
    with config_loader() as loader:
        return execute(make_plan(short(*arguments), loader, sweep=True), engine)


def test_a_run_that_another_process_has_given_up_is_taken_over() -> None:
    sweep = carry_out(["norm=bn,none", "seed=0,1"], Forgetful(1))
    assert {record.status for record in sweep.records} == {Status.finished}


@pytest.mark.parametrize(
    ("settings", "what"), [(("tune=lr", "tune_seeds=1"), "Tuning"), (("design=path",), "The path")]
)
def test_nothing_is_decided_on_runs_without_a_result(settings: tuple[str, ...], what: str) -> None:
    with pytest.raises(RecordError, match=f"{what} cannot go on: 1 of its runs"):
        carry_out(["norm=bn,none", *settings], Forgetful(9))


def test_a_killed_run_stays_what_another_process_has_made_of_it(short_config: Callable[..., ablate.Config]) -> None:
    record: Record = ablate.run(short_config("norm=bn"))
    record.facts.status = record.facts.attempts[-1].status = Status.failed
    record.save()
    pid = record.facts.attempts[-1].pid
    open_record(short_config("norm=bn")).mark_killed("Out of memory.", pid=pid)
    assert open_record(short_config("norm=bn")).status is Status.failed
    record.facts.status = record.facts.attempts[-1].status = Status.running
    record.save()
    open_record(short_config("norm=bn")).mark_killed("Out of memory.", pid=pid + 1)
    assert open_record(short_config("norm=bn")).facts.status is Status.running
    open_record(short_config("norm=bn")).mark_killed("Out of memory.", pid=pid)
    assert open_record(short_config("norm=bn")).status is Status.killed


def test_a_dry_run_prints_the_plan_and_trains_nothing(short_sweep: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    short_sweep(["norm=bn,none"])
    before = sorted(Path("outputs").rglob("*"))
    capsys.readouterr()
    result = short_sweep(["norm=bn,none,ln", "seed=0,1", "dry_run=true"])
    out = capsys.readouterr().out
    assert sorted(Path("outputs").rglob("*")) == before
    assert [line.split()[:3] for line in out.splitlines() if line.split()[:1] in (["bn"], ["none"], ["ln"])] == [
        ["bn", "2", "1"],
        ["none", "2", "1"],
        ["ln", "2", "0"],
    ]
    assert "design=full, 3 arms × 2 seeds = 6 runs, 2 finished, 4 to train." in out
    assert "Nothing was trained." in out
    assert len(result.records) == 6
    assert "2 seeds cannot show an effect in 2 contrasts, however large it is; 7 can." in out
    short_sweep(["norm=bn,none,ln", "seed=0,1", "tune=lr", "tune_seeds=2", "dry_run=true"])
    out = capsys.readouterr().out
    assert "3 arms × 2 seeds = 6 runs, 0 finished, 6 to train." in out  # which of them, tuning will say
    assert "Tuning comes first: 42 runs on seeds 1000000, 1000001, 0 finished." in out
    assert "opt.lr of opt=adam: 0.00003 0.0001 0.0003 0.001 0.003 0.01 0.03" in out
    assert sorted(Path("outputs").rglob("*")) == before


@pytest.mark.parametrize(
    ("design", "said"),
    [
        ("full", "design=full, 16 arms × 3 seeds = 48 runs"),
        ("ofat", "design=ofat, 5 arms × 3 seeds = 15 runs"),
        ("loo", "design=loo, 5 arms × 3 seeds = 15 runs"),
        ("fractional", "design=fractional, 8 arms × 3 seeds = 24 runs"),
        ("path", "design=path, at most 33 runs with 3 seeds"),
    ],
)
def test_the_plan_of_every_design_is_that_of_the_textbook(
    design: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ablate.sweeps.estimate.measure", lambda config: 2.0)
    factors = ["norm=bn,none", "opt=adam,sgd", "act=relu,identity", "reg=l2,none"]
    with config_loader() as loader:
        plan = make_plan(short(*factors, "seed=range(0,3)", f"design={design}", "workers=2"), loader, sweep=True)
        print_preview(preview(plan))
    out = capsys.readouterr().out
    runs = int(said.split("=")[-1].split()[0]) if "at most" not in said else 33
    assert said in " ".join(out.split())
    minutes, seconds = divmod(runs, 60)
    assert f"About {f'{minutes} min ' * bool(minutes)}{seconds} s on 2 workers" in out


def test_a_plan_that_starts_from_an_earlier_run_can_be_measured(short_sweep: Runner) -> None:
    source = short_sweep(["name=source"]).records[0].facts.arm_hash
    found = short_sweep(["name=later", f"init_from={source}", "norm=none", "opt.lr=0.1,0.01", "dry_run=true"])
    assert {record.status for record in found.records} == {Status.missing}


def test_a_run_that_failed_before_and_is_held_by_another_process_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = short("norm=bn,none", "seed=0", f"output_dir={tmp_path}")
    with config_loader() as loader:
        plan = make_plan(arguments, loader, sweep=True)
    held = plan.runs[0].record()
    held.folder.mkdir(parents=True)
    held.facts.status = Status.killed
    held.save()
    code = (
        "import sys, time, pathlib; from ablate.lock import hold\n"
        "with hold(pathlib.Path(sys.argv[1])): print(flush=True); time.sleep(8)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(held.folder)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        results = execute(plan, InlineEngine())
    assert "left out: " in capsys.readouterr().out
    assert [record.status for record in results.records] == [Status.finished] * 2
