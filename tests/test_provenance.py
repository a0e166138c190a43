from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import ablate
from ablate import provenance
from ablate.config import Config
from ablate.record import Record, Status, open_record
from ablate.stop import Stop
from ablate.training import run as training

Maker = Callable[..., Config]


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    provenance.repository.cache_clear()


def test_a_record_names_commit_machine_command_and_attempt(short_config: Maker, tmp_path: Path) -> None:
    git("init", "-q")
    Path("code.py").write_text("a = 1\n")
    git("add", "code.py")
    git("commit", "-qm", "one")
    record = ablate.run(short_config(), overrides=["norm=none"], command="python -m ablate")
    facts = record.facts
    assert facts.git == {"commit": git("rev-parse", "HEAD"), "dirty": False, "root": str(tmp_path)}
    assert not (record.folder / "git.diff").exists()
    assert (facts.overrides, facts.command) == (["norm=none"], "python -m ablate")
    assert facts.machine["host"] == socket.gethostname()
    assert facts.machine["cores"] == os.cpu_count()
    assert set(facts.machine) == {"host", "system", "cpu", "cores", "memory", "gpu"}
    (attempt,) = facts.attempts
    assert (attempt.pid, attempt.from_step, attempt.status) == (os.getpid(), 0, Status.finished)
    assert facts.seconds == attempt.seconds


def test_what_is_in_no_commit_is_kept_and_can_be_applied(short_config: Maker) -> None:
    git("init", "-q")
    Path("code.py").write_text("a = 1\n")
    git("add", "code.py")
    git("commit", "-qm", "one")
    Path("code.py").write_text("a = 'ä'\n")
    record = ablate.run(short_config())
    assert record.facts.git is not None
    assert record.facts.git["dirty"]
    git("checkout", "-q", "code.py")
    git("apply", str(record.folder / "git.diff"))
    assert Path("code.py").read_text() == "a = 'ä'\n"


def test_without_a_repository_or_without_git_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert provenance.repository(tmp_path) is None
    git("init", "-q")
    provenance.repository.cache_clear()
    found = provenance.repository(tmp_path)
    assert found is not None
    assert found.facts() == {"commit": None, "dirty": False, "root": str(tmp_path)}
    provenance.repository.cache_clear()
    monkeypatch.setenv("PATH", "")
    assert provenance.repository(tmp_path) is None


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_a_lack_of_memory_names_the_way_out(
    short_config: Maker, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(record: Record, config: Config, *rest: object) -> None:
        raise error

    monkeypatch.setattr(training, "train", fail)
    with pytest.raises(type(error)):
        ablate.run(short_config())
    record = open_record(short_config())
    assert record.status is Status.failed
    assert (record.facts.error or "").startswith("Out of memory. Take a smaller data.batch_size than")


def test_ctrl_c_in_the_last_moment_finishes_the_run_and_is_passed_on(
    short_config: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = training.train

    def late(record: Record, config: Config, stop: Stop, *rest: Any) -> None:
        original(record, config, stop, *rest)
        stop.request()

    monkeypatch.setattr(training, "train", late)
    with pytest.raises(KeyboardInterrupt):
        ablate.run(short_config())
    assert open_record(short_config()).status is Status.finished
