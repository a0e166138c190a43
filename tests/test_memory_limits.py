"""Runs that meet a real limit on memory: that of their process, or one at which the kernel ends it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ablate.cli.main import main
from tests.helpers import short
from tests.processes import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")

HUNGRY = """\
import multiprocessing, os, resource
from dataclasses import dataclass
from pathlib import Path
import lightning.pytorch as pl
import torch
from ablate import hookimpl
from ablate.techniques import Regularizer

MiB = 2**20


class Eats(pl.Callback):
    def __init__(self, group):
        self.group = group

    def on_train_start(self, trainer, module):
        assert multiprocessing.parent_process() is not None  # the limit is a worker's, never that of the tests
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        if rate == 0.5:
            raise RuntimeError("the trap")
        if rate != 0.25:
            return
        if self.group:
            Path(self.group, "cgroup.procs").write_text(str(os.getpid()))
        else:
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + 512 * MiB, resource.getrlimit(resource.RLIMIT_AS)[1]))
        self.eaten = torch.ones(1024 * MiB, dtype=torch.uint8)  # every page is touched


@dataclass
class Hungry(Regularizer):
    '''Takes 1 GiB in a process that may have half of it, at one learning rate.'''

    group: str = ""

    def callbacks(self, metric, higher_is_better):
        return [Eats(self.group)]


@hookimpl
def register_techniques(register):
    register("hungry", Hungry)
"""


def groups() -> Iterator[Path]:
    """Yield the control groups below which one that limits memory may be made: that of this process, then its parents.

    In the first version memory has a tree of groups of its own; in the second, a group passes on what it can limit.
    """
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        for _, root, kind, options, *_ in mounts:
            first = kind == "cgroup" and "memory" in controllers.split(",") and "memory" in options.split(",")
            if first or (kind == "cgroup2" and not controllers):
                own = Path(root, path.lstrip("/"))
                yield from (group for group in (own, *own.parents) if group.is_relative_to(root))


def limited(parent: Path, limit: int) -> Path | None:
    """Return a new group below ``parent`` that may have ``limit`` bytes, or None where none can be made."""
    group = parent / f"ablate-test-{os.getpid()}"
    with suppress(OSError):
        group.mkdir()
        for name in ("memory.max", "memory.limit_in_bytes"):
            if (group / name).exists():
                (group / name).write_text(str(limit), encoding="utf-8")
                if (group / "memory.swap.max").exists():
                    (group / "memory.swap.max").write_text("0", encoding="utf-8")
                return group
        group.rmdir()
    return None


@pytest.fixture
def group() -> Iterator[Path]:
    """Return a control group of 128 MiB, which a process joins by itself; skip where none can be made."""
    made = next((made for parent in groups() if (made := limited(parent, 128 * 2**20))), None)
    if made is None:
        pytest.skip("no control group that limits memory can be made here")
    yield made
    until(lambda: removed(made), 30)


def removed(group: Path) -> bool:
    """Try to remove a group, which the kernel refuses until it has let go of the processes that it ended."""
    with suppress(OSError):
        group.rmdir()
    return not group.exists()


@pytest.fixture
def hungry(tmp_path: Path) -> list[str]:
    """Return a sweep of ten runs that end well and three that do not; the first of all wants too much memory."""
    file = tmp_path / "hungry.py"
    file.write_text(HUNGRY, encoding="utf-8")
    rates = ",".join(["0.25", "0.5", "1e30", *(f"0.0{n}" for n in range(1, 10)), "0.1"])
    return short("--plugin", str(file), "-m", "reg=hungry", "opt=sgd", f"opt.lr={rates}")


def by_rate() -> dict[float, dict[str, Any]]:
    """Return what every record says, by learning rate."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in Path("outputs").rglob("record.json")]
    return {facts["settings"]["opt.lr"]: facts for facts in read}


def check(command: list[str], status: str, error: str, capfd: pytest.CaptureFixture[str]) -> list[int]:
    """Check how thirteen runs end, the hungry one with ``status``, and which are tried again; return their processes.

    The first process is that of the hungry run.
    """
    assert main(command) == 1
    out = " ".join(capfd.readouterr().out.split())
    found = by_rate()
    bad = {rate: found.pop(rate) for rate in (0.25, 0.5, 1e30)}
    assert [facts["status"] for facts in found.values()] == ["finished"] * 10
    assert [facts["status"] for facts in bad.values()] == [status, "failed", "diverged"]
    assert bad[0.5]["error"] == "RuntimeError: the trap"
    assert error in bad[0.25]["error"]
    for told in (f"{status}: {error}", "failed: RuntimeError: the trap", "diverged: The loss"):
        assert told in out
    processes = [facts["pid"] for facts in (*bad.values(), *found.values())]
    for retry, trained, tries in (("failed", 2, [2, 2, 1]), ("all", 3, [3, 3, 2])):
        assert main([*command, f"retry={retry}"]) == 1
        assert f"13 runs, {13 - trained} done before. Training {trained}." in capfd.readouterr().out
        found = by_rate()
        assert [len(found.pop(rate)["attempts"]) for rate in bad] == tries
        assert [len(facts["attempts"]) for facts in found.values()] == [1] * 10
    return processes


def test_a_run_whose_process_gets_no_more_memory_fails_and_the_same_process_trains_the_others(
    hungry: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    said = "Out of memory. Take a smaller data.batch_size than 64"
    assert len(set(check([*hungry, "workers=1"], "failed", said, capfd))) == 1
    assert "can't allocate memory" in by_rate()[0.25]["error"]


def test_a_run_that_the_kernel_ends_for_its_memory_is_killed_and_other_processes_train_the_others(
    hungry: list[str], group: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said = "its process was ended by SIGKILL, perhaps because memory ran out"
    killed, *others = check([*hungry, f"reg.hungry.group={group}", "workers=2"], "killed", said, capfd)
    assert killed not in others
