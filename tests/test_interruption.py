"""Real signals and real kills, in a child process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import ablate
from ablate.config import Config
from ablate.record import Record, Status, open_record, read
from tests.helpers import short
from tests.processes import until

Maker = Callable[..., Config]
LONG = ("data.batch_size=16", "trainer.max_epochs=60", "trainer.validations=6", "reg=dropout", "norm=bn")
_RUN = """
import sys
import ablate

try:
    ablate.run(ablate.compose(sys.argv[1:]))
except KeyboardInterrupt:
    sys.exit(130)
"""


@contextmanager
def child(*settings: str) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Give a process that trains, once it has saved a checkpoint, and its run's folder."""
    arguments = short(*LONG, *settings)
    folder = open_record(ablate.compose(arguments)).folder
    process = subprocess.Popen([sys.executable, "-c", _RUN, *arguments], stderr=subprocess.PIPE, text=True)
    try:
        until((folder / "metrics.csv").exists, 120)
        yield process, folder
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Return the run that nothing interrupts."""
    return ablate.run(ablate.compose(short(*LONG, f"output_dir={tmp_path_factory.mktemp('whole')}")))


def assert_goes_on_as_if_nothing_had_been(folder: Path, whole: Record, name: str) -> None:
    again = ablate.run(ablate.compose(short(*LONG, f"name={name}")))
    assert again.folder == folder
    assert again.facts.attempts[-1].from_step > 0
    assert again.facts.test == whole.facts.test
    for curve in set(whole.curves()) - {"time/step"}:
        np.testing.assert_array_equal(again.curves()[curve], whole.curves()[curve])


def test_a_killed_run_goes_on_from_its_last_step(whole: Record) -> None:
    with child("name=killed", "trainer.checkpoint_seconds=0") as (process, folder):
        process.kill()
        process.wait()
        assert json.loads((folder / "record.json").read_text())["status"] == "running"
        assert read(folder).status is Status.interrupted
        assert_goes_on_as_if_nothing_had_been(folder, whole, "killed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_saves_a_checkpoint_and_ends_the_run(whole: Record, number: signal.Signals) -> None:
    with child(f"name={number.name}") as (process, folder):
        assert not (folder / "last.ckpt").exists()
        process.send_signal(number)
        assert process.wait(30) == 130
        assert json.loads((folder / "record.json").read_text())["status"] == "interrupted"
        assert (folder / "last.ckpt").exists()
        assert not (folder / ".lease").exists()
        assert_goes_on_as_if_nothing_had_been(folder, whole, number.name)


def test_a_second_ctrl_c_ends_the_run_at_once_and_breaks_nothing(whole: Record) -> None:
    with child("name=twice", "trainer.checkpoint_seconds=0") as (process, folder):
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert read(folder).status is Status.interrupted
        assert not list(folder.glob(".*.tmp"))
        assert_goes_on_as_if_nothing_had_been(folder, whole, "twice")


def test_a_full_disk_is_one_sentence_and_leaves_earlier_files_whole(short_config: Maker) -> None:
    code = """
import resource, sys
import ablate
from ablate.training.resume import Resume

save = Resume._save

def full(self, trainer):
    if trainer.global_step == 5:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    save(self, trainer)

Resume._save = full
try:
    ablate.run(ablate.compose(sys.argv[1:]))
except ablate.AblateError as error:
    print(error)
"""
    arguments = short(
        "data.batch_size=32", "trainer.max_epochs=3", "trainer.validations=6", "trainer.checkpoint_seconds=0"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert "cannot be written" in done.stdout, done.stderr
    assert done.stdout.count("\n") == 1
    record = open_record(ablate.compose(arguments))
    assert not list(record.folder.glob(".*.tmp"))
    assert record.damage is None
    assert record.curves()["step"].size
    finished = ablate.run(ablate.compose(arguments))
    whole = ablate.run(ablate.compose([*arguments, "name=whole"]))
    assert finished.facts.test == whole.facts.test
    assert not finished.facts.warnings
