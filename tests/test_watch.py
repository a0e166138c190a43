"""``report --watch``: a sweep that goes on in another process, from before its beginning to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ablate.cli import watch
from ablate.cli.main import main
from ablate.facts import Status
from ablate.results import Sweep
from ablate.sweep_facts import SweepFacts
from tests.helpers import short
from tests.processes import Call, until
from tests.recorded import recorded

LEVELS = {"norm": ["bn", "none"]}
Out = pytest.CaptureFixture[str]


def told(sweep: Sweep, pid: int | None) -> None:
    """Write what a sweep says of itself, in training by the process or ended."""
    host = os.uname().nodename if pid else None
    arms = list(dict.fromkeys(record.facts.arm_hash for record in sweep.records))
    SweepFacts("full", LEVELS, [0, 1], arms, target=0.85, pid=pid, host=host).save(sweep.folder)


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a setter of what happens in the pauses between looks, one after the other."""

    def set_to(*events: Callable[[], object]) -> None:
        left: Iterator[Callable[[], object]] = iter(events)
        monkeypatch.setattr("ablate.cli.watch.time.sleep", lambda _: next(left)())

    return set_to


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_sweep_in_another_process_is_shown_until_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setattr(watch, "WATCH_SECONDS", 0.1)
    sweep = Call(tmp_path, "-m", *short("norm=bn,none", "seed=0,1", "name=live", "workers=0", "trainer.max_epochs=8"))
    try:
        assert main(["report", "live", "--watch"]) == 0
        facts = SweepFacts.load(Path("outputs/live"))
        assert facts is not None
        assert (facts.pid, len(facts.arms)) == (None, 2)
        assert sweep.process.wait(60) == 0, sweep.process.communicate()
    finally:
        sweep.process.kill()
        sweep.process.communicate()
    out = capsys.readouterr().out
    assert out.startswith("Waiting for live: no run there yet.")
    assert out.count("Report:") > 1
    last = out[out.rindex("status") :]
    assert last.count("finished") == 2
    assert "running" not in last
    assert "\x1b" not in out
    assert Path("outputs/live/report.html").is_file()


def test_ctrl_c_ends_it_with_status_0_and_no_traceback(tmp_path: Path) -> None:
    told(recorded(tmp_path, LEVELS, seeds=2), os.getpid())
    arguments = [sys.executable, "-m", "ablate", "report", "made-up", "--watch"]
    with subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as call:
        until(lambda: Path("outputs/made-up/effects").is_dir(), 120)
        time.sleep(0.5)
        call.send_signal(signal.SIGINT)
        out, errors = call.communicate(timeout=60)
    assert (call.returncode, errors) == (0, "")
    assert "made-up" in out


def test_nothing_is_printed_again_that_has_not_changed(
    tmp_path: Path, between: Callable[..., None], capsys: Out
) -> None:
    sweep = recorded(tmp_path, LEVELS, seeds=2)
    told(sweep, os.getpid())
    between(lambda: None, lambda: None, lambda: told(sweep, None))
    assert main(["report", "made-up", "--watch"]) == 0
    assert capsys.readouterr().out.count("Report:") == 1


def test_a_record_that_is_half_there_is_waited_for(tmp_path: Path, between: Callable[..., None], capsys: Out) -> None:
    sweep = recorded(tmp_path, LEVELS, seeds=2)
    told(sweep, os.getpid())
    half, *others = [record.folder / "record.json" for record in sweep.records]
    whole = half.read_text(encoding="utf-8")
    half.write_text(whole[:40], encoding="utf-8")
    for other in others:
        other.rename(other.with_suffix(".later"))

    def come() -> None:
        half.write_text(whole, encoding="utf-8")
        for other in others:
            other.with_suffix(".later").rename(other)
        told(sweep, None)

    between(come)
    assert main(["report", "made-up", "--watch"]) == 0
    out = capsys.readouterr().out
    assert "record.json cannot be read" in out
    assert out[out.rindex("status") :].count("finished") == 2


def test_a_run_without_a_point_yet_is_shown(tmp_path: Path, between: Callable[..., None], capsys: Out) -> None:
    sweep = recorded(tmp_path, LEVELS, seeds=2)
    told(sweep, os.getpid())
    for record in sweep.records:
        record.facts.status, record.facts.test = Status.running, {}
        record.facts.pid, record.facts.host = os.getpid(), os.uname().nodename
        (record.folder / ".lease").touch()
        (record.folder / "metrics.csv").unlink()
        record.save()
    between(interrupt)
    assert main(["report", "made-up", "--watch"]) == 0
    assert capsys.readouterr().out.count("running") == 2


def test_a_sweep_whose_process_is_gone_has_ended(tmp_path: Path, between: Callable[..., None], capsys: Out) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    told(recorded(tmp_path, LEVELS, seeds=2), gone.pid)
    between()
    assert main(["report", "made-up", "--watch"]) == 0
    assert "Report:" in capsys.readouterr().out


def test_without_a_name_every_sweep_is_watched_as_it_comes(
    tmp_path: Path, between: Callable[..., None], capsys: Out
) -> None:
    between(lambda: told(recorded(tmp_path, LEVELS, seeds=2), None))
    assert main(["report", "--watch"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Waiting for outputs: no run there yet.")
    assert "outputs/made-up/report.html" in out


def test_a_sweep_says_who_trains_it_from_before_its_first_run(tmp_path: Path) -> None:
    call = Call(tmp_path, "-m", *short("norm=bn,none", "name=live", "workers=0", "trainer.max_epochs=200"))
    try:
        until(lambda: bool(list(Path("outputs").rglob("record.json"))), 120)
        content = json.loads(Path("outputs/live/sweep.json").read_text(encoding="utf-8"))
        assert content["pid"] == call.process.pid
        assert len(content["arms"]) == 2
    finally:
        call.process.kill()
        call.process.communicate()
    facts = SweepFacts.load(Path("outputs/live"))
    assert facts is not None
    assert not facts.in_training


def test_a_name_that_may_be_mistyped_is_waited_for_with_what_may_be_meant(
    tmp_path: Path, between: Callable[..., None], capsys: Out
) -> None:
    told(recorded(tmp_path, LEVELS, seeds=2), None)
    between(lambda: None, interrupt)
    assert main(["report", "mode-up", "--watch"]) == 0
    assert capsys.readouterr().out == (
        "Waiting for mode-up: no run there yet. Did you mean 'made-up'? Ctrl-C ends this.\n"
    )


def test_a_damaged_record_alone_does_not_end_it(tmp_path: Path, between: Callable[..., None], capsys: Out) -> None:
    run = tmp_path / "outputs" / "made-up" / "norm=bn-00000000" / "seed=0"
    run.mkdir(parents=True)
    (run / "record.json").write_text("{", encoding="utf-8")
    between(lambda: None, lambda: told(recorded(tmp_path, LEVELS, seeds=2), None))
    assert main(["report", "made-up", "--watch"]) == 0
    out = capsys.readouterr().out
    assert out.count("cannot be read") == 1
    assert "Report:" in out


def test_what_ends_while_it_is_reported_is_reported_once_more(tmp_path: Path, between: Callable[..., None]) -> None:
    sweep = recorded(tmp_path, LEVELS, seeds=2)
    told(sweep, None)
    seen = []

    def report(folder: Path) -> None:
        seen.append(folder)
        sweep.records[0].facts.status = Status.failed
        sweep.records[0].save()

    between(lambda: None)
    watch.watch(["made-up"], Path("outputs"), report)
    assert len(seen) == 2
