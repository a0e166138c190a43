"""Worker processes: real ones, and what becomes of runs, workers and their parent when one of them ends."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import ablate
from ablate.cli.main import main
from ablate.engines import local
from ablate.engines.crew import epitaph
from ablate.errors import EngineError
from tests.helpers import python, short
from tests.processes import Call, needs_proc, until

TRAP = """\
import os, signal, time, warnings
from dataclasses import dataclass
import lightning.pytorch as pl
from ablate import hookimpl
from ablate.techniques import Regularizer


class Sprung(pl.Callback):
    def on_train_start(self, trainer, module):
        os.system("echo native words")
        print("plain words")
        warnings.warn("a warning")
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        if rate == 0.5:
            raise RuntimeError("the trap")
        if rate == 0.25:
            os.kill(os.getpid(), signal.SIGKILL)
        if rate == 0.125:
            raise MemoryError
        if rate == 0.0625:
            os._exit(3)
        if rate == 0.75:
            time.sleep(600)


@dataclass
class Trap(Regularizer):
    '''Ends a run in a way that depends on the learning rate.'''

    def callbacks(self, metric, higher_is_better):
        return [Sprung()]


@hookimpl
def register_techniques(register):
    register("trap", Trap)
"""


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a plugin file with a regularizer that ends runs of certain learning rates."""
    file = tmp_path_factory.mktemp("plugins") / "trap.py"
    file.write_text(TRAP, encoding="utf-8")
    return str(file)


def records() -> dict[str, dict[str, Any]]:
    """Return what every record says, by arm and seed."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in Path("outputs").rglob("record.json")]
    return {f"{facts['arm']} seed={facts['seed']}": facts for facts in read}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "best.ckpt", weights_only=False)["state_dict"]
    return state


def test_workers_make_the_same_curves_and_weights_as_this_process() -> None:
    settings = short("norm=bn,none", "reg=dropout", "seed=0,1", "trainer.max_epochs=3")
    apart, here = (ablate.sweep([*settings, f"workers={n}", f"name=by{n}"]) for n in (2, 0))
    assert [r.status for r in apart.records] == ["finished"] * 4
    for one, other in zip(apart.records, here.records, strict=True):
        a, b = one.curves(), other.curves()
        assert a.keys() == b.keys()
        assert all((a[name] == b[name]).all() for name in a if not name.startswith("time"))
        x, y = weights(one.folder), weights(other.folder)
        assert all(torch.equal(x[name], y[name]) for name in x)
        assert one.facts.pid != os.getpid() == other.facts.pid


SCRIPT = """\
import torch
from dataclasses import dataclass
from torch import nn
import ablate
from ablate.techniques import Activation, Optimizer

class SnakeLayer(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.a = a

    def forward(self, x):
        return x + torch.sin(self.a * x) ** 2 / self.a

@dataclass
class Snake(Activation):
    '''x + sin²(a x) / a, for what repeats itself (Ziyin et al. 2020, arXiv:2006.08195).'''

    a: float = 1.0

    def build(self):
        return SnakeLayer(self.a)

ablate.register("snake", Snake)
ablate.register("adamax", Optimizer.of(torch.optim.Adamax))
print("the script begins")
settings = ["act=snake,relu", "opt=adamax", "workers=2", "trainer.max_epochs=1", "data.train_size=64"]
frame = ablate.sweep(settings).frame()
print(list(frame["status"]), frame["best"].notna().all())
"""


def test_a_script_without_a_guard_sweeps_techniques_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SCRIPT, encoding="utf-8")
    done = python("mine.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the script begins") == 1
    assert "['finished', 'finished'] True" in done.stdout
    assert {facts["choices"]["act"] for facts in records().values()} == {"snake", "relu"}


def test_runs_that_raise_diverge_or_are_killed_are_named_and_the_others_finish(
    trap: str, capfd: pytest.CaptureFixture[str]
) -> None:
    fine = [f"0.0{n}" for n in range(1, 10)] + ["0.1"]
    rates = ",".join([*fine, "1e30", "0.5", "0.25", "0.125", "0.0625"])
    command = short("--plugin", trap, "-m", "reg=trap", "opt=sgd", f"opt.lr={rates}", "workers=2")
    assert main(command) == 1
    out = " ".join(capfd.readouterr().out.split())
    by_rate = {facts["settings"]["opt.lr"]: facts for facts in records().values()}
    assert [by_rate[float(rate)]["status"] for rate in fine] == ["finished"] * 10
    assert by_rate[1e30]["status"] == "diverged"
    assert (by_rate[0.5]["status"], by_rate[0.5]["error"]) == ("failed", "RuntimeError: the trap")
    assert (by_rate[0.125]["status"], by_rate[0.125]["error"][:14]) == ("failed", "Out of memory.")
    assert by_rate[0.25]["status"] == by_rate[0.0625]["status"] == "killed"
    assert "ended by SIGKILL, perhaps because memory ran out" in by_rate[0.25]["error"]
    assert "exit status 3" in by_rate[0.0625]["error"]
    for told in ("failed: RuntimeError: the trap", "killed: its process was ended by SIGKILL", "diverged: The loss"):
        assert told in out
    assert "words" not in out
    for rate in (0.5, 0.25, 0.125):
        assert "native words" in by_rate[rate]["log"]
    assert main(command) == 1
    assert "15 runs, 11 done before. Training 4." in capfd.readouterr().out


def test_what_a_run_prints_is_in_its_folder(trap: str, capfd: pytest.CaptureFixture[str]) -> None:
    command = short("--plugin", trap, "-m", "reg=trap", "opt=sgd", "opt.lr=0.1,0.5", "workers=1")
    assert main(command) == main(command) == 1
    assert "words" not in "".join(capfd.readouterr())
    logs = {path.parent.parent.name: path.read_text(encoding="utf-8") for path in Path("outputs").rglob("log.txt")}
    assert len(logs) == 2
    for arm, text in logs.items():
        attempts = 2 if "0.5" in arm else 1
        for line in ("plain words", "native words", "a warning"):
            assert text.count(line) >= attempts, text
        assert text.count("--- 20") == attempts
        assert text.count("python -m ablate") == attempts


def test_the_first_failure_ends_a_sweep_that_fails_fast(trap: str, capfd: pytest.CaptureFixture[str]) -> None:
    for workers in (0, 1):
        command = short(
            "--plugin", trap, "-m", "reg=trap", "opt=sgd", "opt.lr=0.5,0.1,0.2", f"workers={workers}", "fail_fast=true"
        )
        assert main([*command, f"name=with{workers}"]) == 1
        found = [path.parent.parent.name for path in Path(f"outputs/with{workers}").rglob("record.json")]
        assert len(found) == 1
        assert "opt.lr=0.5" in found[0]
        assert "missing" in capfd.readouterr().out


def test_quiet_shows_failures_and_the_table_only(trap: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(short("--plugin", trap, "-m", "reg=trap", "opt=sgd", "opt.lr=0.5,0.1", "workers=1", "quiet=true")) == 1
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("[")]
    assert len(lines) == 1
    assert lines[0].startswith("[1/2]")
    assert "the trap" in lines[0]


def test_hydras_own_launcher_and_no_workers_train_as_well() -> None:
    assert main(short("-m", "norm=bn,none", "hydra/launcher=basic")) == 0
    assert main(short("-m", "norm=ln,none", "workers=0")) == 0
    assert {facts["pid"] for facts in records().values()} == {os.getpid()}


class EndsItsReader:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Callable[[int], object], tuple[int]]:
        return os._exit, (3,)


def test_workers_that_die_at_their_start_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "Setup", lambda environment, wait: EndsItsReader())
    with pytest.raises(EngineError, match=r"3 worker processes in a row ended .*workers=0"):
        ablate.sweep(short("norm=bn,none", "workers=1"))


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (-signal.SIGKILL, "ended by SIGKILL, perhaps because memory ran out"),
        (-signal.SIGSEGV, "ended by SIGSEGV, a fault in native code"),
        (-signal.SIGABRT, "ended by SIGABRT"),
        (7, "ended with exit status 7"),
    ],
)
def test_how_a_process_ended_is_said_in_words(status: int, told: str) -> None:
    assert epitaph(status) == f"its process {'was ' if status < 0 else ''}{told}"


LONG = [
    "-m",
    "seed=range(0,4)",
    "trainer.max_epochs=9999",
    "trainer.validations=999",
    "data.train_size=64",
    "model.width=8",
    "workers=2",
]


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Callable[..., Call]]:
    """Return what calls the command line in the background; whatever is left of it is ended afterwards."""
    calls: list[Call] = []

    def make(*arguments: str) -> Call:
        calls.append(Call(tmp_path, *arguments))
        return calls[-1]

    yield make
    for each in calls:
        for pid in each.left():
            os.kill(pid, signal.SIGKILL)
        each.process.communicate()


@needs_proc
def test_ctrl_c_in_a_terminal_leaves_checkpoints_and_no_process(call: Callable[..., Call]) -> None:
    """A terminal sends Ctrl-C to all processes: the workers leave it to their parent."""
    sweep = call(*LONG)
    sweep.wait_for_curves()
    os.killpg(sweep.process.pid, signal.SIGINT)
    out, errors = sweep.process.communicate(timeout=60)
    assert sweep.process.returncode == 130, out + errors
    assert "the same command trains what is missing" in errors
    assert "Traceback" not in out + errors
    assert "2 interrupted, 2 missing" in " ".join(out.split())
    assert {facts["status"] for facts in records().values()} == {"interrupted"}
    assert len(list(Path("outputs").rglob("last.ckpt"))) == len(records()) == 2
    until(lambda: not sweep.left(), 30)


@needs_proc
def test_a_second_ctrl_c_ends_runs_that_do_not_stop(trap: str, call: Callable[..., Call]) -> None:
    sweep = call(*short("--plugin", trap, "-m", "reg=trap", "opt=sgd", "opt.lr=0.75,0.1", "seed=0,1", "workers=2"))
    until(lambda: len(list(Path("outputs").rglob("log.txt"))) >= 2, 120)
    until(lambda: all("plain" in file.read_text() for file in Path("outputs").rglob("log.txt")), 60)
    os.killpg(sweep.process.pid, signal.SIGINT)
    time.sleep(1)
    assert sweep.process.poll() is None
    os.killpg(sweep.process.pid, signal.SIGINT)
    _, errors = sweep.process.communicate(timeout=60)
    assert sweep.process.returncode == 130
    assert "Traceback" not in errors
    until(lambda: not sweep.left(), 30)


@needs_proc
def test_workers_end_with_their_parent_and_leave_checkpoints(call: Callable[..., Call]) -> None:
    sweep = call(*LONG)
    sweep.wait_for_curves()
    sweep.process.kill()
    until(lambda: not sweep.left(), 60)
    assert {facts["status"] for facts in records().values()} == {"interrupted"}
    assert len(list(Path("outputs").rglob("last.ckpt"))) == len(records()) == 2


def test_two_calls_at_once_share_the_runs(call: Callable[..., Call]) -> None:
    settings = short("-m", "norm=bn,none", "opt=sgd,adam", "seed=range(0,4)", "trainer.max_epochs=10", "workers=2")
    for each in [call(*settings), call(*settings)]:
        out, errors = each.process.communicate(timeout=240)
        assert each.process.returncode == 0, out + errors
        assert "16 runs" in out
    assert len(records()) == 16
    assert [len(facts["attempts"]) for facts in records().values()] == [1] * 16
    assert {facts["attempts"][0]["status"] for facts in records().values()} == {"finished"}
