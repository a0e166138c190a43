from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import ablate
from ablate import lock
from ablate.config import Config
from ablate.errors import BusyError
from ablate.record import Record, Status, open_record, read
from ablate.stop import Stop

Maker = Callable[..., Config]
_HOLD = (
    "import sys, pathlib; from ablate.lock import hold\nwith hold(pathlib.Path(sys.argv[1])): print(); sys.stdin.read()"
)


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Give a process that holds the folder's lock."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(folder.absolute())], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        yield holder
    finally:
        holder.kill()
        holder.communicate()


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def from_another_host(folder: Path) -> None:
    """Leave the lock of a process on a machine that cannot be asked."""
    with lock.hold(folder):
        text = (folder / lock.NAME).read_text()
    lines = [f"{line.partition('=')[0]}=elsewhere" if "host" in line.lower() else line for line in text.splitlines()]
    (folder / lock.NAME).write_text("\n".join(lines) + "\n")
    assert "elsewhere" in (folder / lock.NAME).read_text()


def test_on_windows_no_process_is_signalled_for_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with lock.hold(tmp_path):
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("Ctrl-C was sent"))
        assert lock.is_held(tmp_path, os.getpid(), socket.gethostname())
    assert not lock.is_held(tmp_path, os.getpid(), socket.gethostname())


def test_only_one_process_holds_a_run_and_a_killed_one_frees_it_at_once(tmp_path: Path) -> None:
    with another_process(tmp_path) as holder:
        with pytest.raises(BusyError, match="being trained by another process"), lock.hold(tmp_path):
            pytest.fail("held twice")
        holder.kill()
        holder.wait()
        with lock.hold(tmp_path):
            pass
    assert not (tmp_path / lock.NAME).exists()


def test_a_process_waits_until_the_other_has_ended(tmp_path: Path) -> None:
    with another_process(tmp_path) as holder:
        threading.Timer(0.5, end, [holder]).start()
        with lock.hold(tmp_path, wait=True):
            assert holder.poll() is not None


def test_waiting_can_be_stopped(tmp_path: Path) -> None:
    stop = Stop()
    with another_process(tmp_path):
        threading.Timer(0.3, stop.request).start()
        with pytest.raises(KeyboardInterrupt), lock.hold(tmp_path, wait=True, stop=stop):
            pytest.fail("held twice")


def test_the_lock_of_another_machine_is_taken_over_once_its_lease_has_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LEASE_SECONDS", 1.0)
    from_another_host(tmp_path)
    with pytest.raises(BusyError), lock.hold(tmp_path):
        pytest.fail("taken over too early")
    began = time.monotonic()
    with lock.hold(tmp_path, wait=True):
        assert time.monotonic() - began >= 1.0


def test_a_lock_that_looks_abandoned_is_taken_over_without_being_told_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LEASE_SECONDS", 1.0)
    from_another_host(tmp_path)
    os.utime(tmp_path / lock.NAME, (0, time.time() - 60))
    with lock.hold(tmp_path):
        pass
    from_another_host(tmp_path)
    with pytest.raises(BusyError, match=r"another process \(\d+ on elsewhere\)"), lock.hold(tmp_path):
        pytest.fail("taken over too early")


def test_who_has_lost_the_lock_is_told(tmp_path: Path) -> None:
    with lock.hold(tmp_path) as held:
        held.check()
        (tmp_path / lock.NAME).rename(tmp_path / "away")
        (tmp_path / lock.NAME).write_text("another process's")
        with pytest.raises(BusyError, match="taken over by another process"):
            held.check()
    assert (tmp_path / lock.NAME).read_text() == "another process's"


def test_a_run_that_was_taken_over_writes_nothing_more(short_config: Maker) -> None:
    config = short_config("trainer.max_epochs=3")

    class Taken(Stop):
        """Another process takes over while a batch begins, and this one is to save a checkpoint."""

        looks = 0

        @property
        def requested(self) -> bool:
            self.looks += 1
            if self.looks == 3:
                folder = open_record(config).folder
                (folder / lock.NAME).unlink()
                (folder / lock.NAME).touch()
                self.before = {path.name: path.read_bytes() for path in folder.iterdir()}
            return self.looks >= 3

    stop = Taken()
    with pytest.raises(BusyError, match="taken over"):
        ablate.run(config, stop=stop)
    folder = open_record(config).folder
    events = {name for name in stop.before if name.startswith("events")}
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after.keys() == stop.before.keys()
    assert {n for n in after if after[n] != stop.before[n]} <= events  # its own, which nobody else writes


def test_a_waiting_run_returns_what_the_other_process_has_finished(short_config: Maker) -> None:
    config = short_config()
    record = open_record(config)
    found: list[Record] = []
    with record.lock():
        waiting = threading.Thread(target=lambda: found.append(ablate.run(config, wait=True)))
        waiting.start()
        time.sleep(0.3)
        assert not found
        finished = ablate.run(short_config("name=elsewhere"))
        for name in ("record.json", "metrics.csv", "best.ckpt", "last.ckpt"):
            (record.folder / name).write_bytes((finished.folder / name).read_bytes())
    waiting.join(120)
    assert found[0].facts.started == finished.facts.started


def running(config: Config, pid: int, host: str) -> Record:
    record = open_record(config)
    record.facts.status, record.facts.pid, record.facts.host = Status.running, pid, host
    record.save()
    return read(record.folder)


def test_a_run_without_a_lock_or_with_a_dead_owner_counts_as_interrupted(short_config: Maker) -> None:
    here, gone = socket.gethostname(), subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for pid, host, status in (
        (os.getppid(), here, Status.running),
        (gone.pid, here, Status.interrupted),
        (gone.pid, "another-machine", Status.running),
    ):
        record = running(short_config(f"seed={pid}", f"name={host}"), pid, host)
        assert record.status is Status.interrupted
        path = record.folder / lock.NAME
        path.touch()
        assert record.status is status
        os.utime(path, (0, time.time() - 3600))  # nobody has touched it for an hour
        assert record.status is Status.interrupted


def test_a_killed_run_is_marked_with_the_reason_unless_it_was_done_or_is_held(short_config: Maker) -> None:
    record = running(short_config(), 1, "a-machine-that-is-gone")
    record.mark_killed("Out of memory.")
    assert (read(record.folder).status, read(record.folder).facts.error) == (Status.killed, "Out of memory.")
    with open_record(short_config()).lock(), pytest.raises(BusyError):
        record.mark_killed("again")
    finished = ablate.run(short_config())
    finished.mark_killed("too late")
    assert read(record.folder).status is Status.finished
