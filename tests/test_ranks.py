"""One run on several devices: two processes on this machine's processor, which see together what one would see."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

import ablate
from ablate.config import Config
from ablate.dataset import Batches, Examples
from ablate.facts import Status
from ablate.record import open_record
from ablate.registry import registry
from ablate.stop import Stop
from ablate.techniques import Regularizer
from ablate.training import ranks
from ablate.training.run import run
from tests.processes import until

Maker = Callable[..., Config]
TWO = ("trainer.devices=2", "trainer.accelerator=cpu")


class Sabotage(pl.Callback):
    """Fails or is ended on the second device, or prints more than a pipe holds."""

    def __init__(self, how: str) -> None:
        self.how = how

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.how == "prints":
            print("x" * 2**17)
        elif trainer.global_step == 2 and trainer.global_rank == 1:
            if self.how == "raises":
                raise ValueError("planted")
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Sabotaged(Regularizer):
    """Ends one of several processes; known to this session alone."""

    how: str = "raises"

    def callbacks(self, metric: str, higher_is_better: bool) -> list[Any]:
        return [Sabotage(self.how)]


@pytest.fixture
def sabotaged() -> Iterator[None]:
    """The option ``reg=sabotaged``, of this session."""
    before = registry()._state()
    ablate.register("sabotaged", Sabotaged)
    yield
    registry()._restore(before)


def others() -> list[str]:
    """Return the processes of other devices that this test run has started."""
    listed = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "args"], capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if "ablate.training.rank" in line]


def alive(pid: int) -> bool:
    """Whether the process exists and has not ended."""
    state = subprocess.run(["ps", "-p", str(pid), "-o", "stat="], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_two_devices_give_the_weights_metrics_and_curves_of_one(short_config: Maker) -> None:
    # 100 examples in batches of 33, 33 and 34: the two shares of a batch are not equal
    settings = (
        "trainer.precision=64-true",
        "trainer.max_steps=12",
        "trainer.validations=3",
        "data.train_size=100",
        "data.batch_size=33",
        "reg=l2",
    )
    one = ablate.run(short_config(*settings, "name=one"))
    two = ablate.run(short_config(*settings, "name=two", *TWO, "trainer.strategy=ddp"))
    assert others() == []
    assert two.status is Status.finished
    for file in ("best.ckpt", "last.ckpt"):
        mine, theirs = (torch.load(record.folder / file, weights_only=False)["state_dict"] for record in (one, two))
        assert mine.keys() == theirs.keys()
        for name in mine:
            torch.testing.assert_close(theirs[name], mine[name], rtol=0, atol=1e-10)
    assert two.facts.test == pytest.approx(one.facts.test, abs=1e-6)
    assert two.curves()["step"].tolist() == [4, 8, 12]
    for name, values in one.curves().items():
        if name != "time/step":
            assert two.curves()[name].tolist() == pytest.approx(values.tolist(), rel=1e-6), name
    assert len(list(two.folder.glob("events.out.tfevents.*"))) == 1


@pytest.mark.parametrize(("how", "said"), [("raises", "device 1: ValueError: planted"), ("dies", "device 1: exit")])
def test_a_device_that_fails_fails_the_run(short_config: Maker, sabotaged: None, how: str, said: str) -> None:
    config = short_config(*TWO, "reg=sabotaged", f"reg.sabotaged.how={how}", "trainer.max_steps=8")
    with pytest.raises(RuntimeError, match=said):
        ablate.run(config)
    record = open_record(config)
    assert record.status is Status.failed
    assert said in (record.facts.error or "")
    assert others() == []
    assert not torch.distributed.is_initialized()


def test_a_device_may_print(short_config: Maker, sabotaged: None) -> None:
    config = short_config(*TWO, "reg=sabotaged", "reg.sabotaged.how=prints", "trainer.max_steps=3")
    assert ablate.run(config).status is Status.finished


def test_a_device_that_never_comes_fails_the_run_at_once(
    short_config: Maker, sabotaged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # it says that it is ready, and is gone
    code = "import os; os.write(1, b'!'); raise SystemExit('planted')"
    monkeypatch.setattr(ranks, "_COMMAND", [sys.executable, "-c", code])
    with pytest.raises(RuntimeError, match="device 1: planted"):
        ablate.run(short_config(*TWO))
    assert others() == []


def test_a_stopped_run_goes_on_on_both_devices(short_config: Maker) -> None:
    settings = ("trainer.max_steps=300", "trainer.validations=2", "data.batch_size=15", "reg=dropout", *TWO)
    config = short_config(*settings)
    stop = Stop()

    def ask() -> None:
        folder = open_record(config).folder
        while not (folder / "best.ckpt").exists() and time.monotonic() < limit:
            time.sleep(0.01)
        stop.request()

    limit = time.monotonic() + 60
    thread = threading.Thread(target=ask)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(config, stop=stop)
    thread.join()
    assert open_record(config).status is Status.interrupted
    assert others() == []
    record = ablate.run(config)
    assert record.status is Status.finished
    assert [attempt.from_step > 0 for attempt in record.facts.attempts] == [False, True]
    straight = ablate.run(short_config(*settings, "name=straight"))
    # a share of 8 and one of 7 examples draw unequally many numbers: each process goes on with its own
    for name in ("val/loss", "train/loss"):
        assert record.curves()[name].tolist() == straight.curves()[name].tolist()


def test_shares_of_a_batch_are_the_batch() -> None:
    x = torch.arange(23.0)
    whole = [batch.x for batch in Batches(Examples(x, x), 10, shuffle_seed=1)]
    shares = []
    for rank in range(2):
        batches = Batches(Examples(x, x), 10, shuffle_seed=1)
        batches.share(rank, 2)
        shares.append([batch.x for batch in batches])
    assert [len(batch) for batch in whole] == [10, 10, 3]
    for batch, first, second in zip(whole, *shares, strict=True):
        assert first.tolist() == batch[::2].tolist()
        assert second.tolist() == batch[1::2].tolist()


def test_every_device_has_an_example_of_every_batch() -> None:
    x = torch.arange(22.0)
    batches = Batches(Examples(x, x), 10)
    batches.share(2, 3)
    assert [len(batch.x) for batch in batches] == [3, 4]  # of 10 and 12


def test_what_several_devices_cannot_do_is_refused(short_config: Maker) -> None:
    def refused(*settings: str) -> str:
        with pytest.raises(ablate.AblateError) as caught:
            ablate.sweep(["workers=0", *settings])
        return str(caught.value)

    assert "strategy=ddp needs several devices" in refused("trainer.strategy=ddp")
    assert "strategy must be one of auto, ddp" in refused("trainer.strategy=fsdp", "trainer.devices=2")
    assert "data.batch_size=1 has no example for some" in refused("data.batch_size=32,1", *TWO)
    with pytest.raises(ablate.AblateError, match="has no example for some"):
        ablate.run(short_config("data.batch_size=1", *TWO))
    with pytest.raises(ablate.AblateError, match="steps its optimizers itself"):
        ablate.run(ablate.compose(["model=gan", "data=gaussians", "trainer.max_steps=2", *TWO]))
    assert others() == []


def test_the_other_process_ends_with_the_first(tmp_path: Path) -> None:
    script = (
        "import ablate; ablate.run(ablate.compose(['trainer.max_steps=100000', 'trainer.devices=2', "
        "'trainer.accelerator=cpu', 'model.width=8']))"
    )
    first = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path)

    def children() -> list[int]:
        listed = subprocess.run(["ps", "--ppid", str(first.pid), "-o", "pid="], capture_output=True, text=True)
        return [int(word) for word in listed.stdout.split()]

    try:
        until(lambda: bool(children()), 120)
        (other,) = children()
        first.kill()
        first.wait()
        until(
            lambda: not Path(f"/proc/{other}/cmdline").exists() or not Path(f"/proc/{other}/cmdline").read_bytes(), 60
        )
    finally:
        first.kill()
