from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

import ablate
from ablate.config import Config
from ablate.record import Record, Status, open_record
from ablate.stop import Stop
from tests.helpers import flat, short

Maker = Callable[..., Config]

# 128 examples in batches of 32, three epochs: 12 steps, 4 points at 3, 6, 9 and 12; 4 batches an epoch
TWELVE = ("data.batch_size=32", "trainer.max_epochs=3", "trainer.validations=4")
SETTINGS: dict[str, tuple[str, ...]] = {
    "random": (*TWELVE, "norm=bn", "reg=[dropout,mixup,input_noise]", "sched=onecycle"),
    "plateau": (*TWELVE, "opt.lr=0.1", "sched=plateau", "sched.patience=0"),
    "averaged": (*TWELVE, "norm=bn", "reg=ema"),
    "early": (*TWELVE, "opt.lr=0.3", "reg=early_stopping", "reg.early_stopping.patience=1"),
    "lbfgs": (*TWELVE, "opt=lbfgs"),
    "muon": (*TWELVE, "opt=muon", "norm=spectral", "sched=warmup_cosine"),
    # 9 batches an epoch, two a step: 5 steps, the last of each epoch with a single batch
    "accumulated": (
        "data.train_size=144",
        "data.batch_size=16",
        "trainer.accumulate_grad_batches=2",
        "trainer.max_steps=8",
        "trainer.validations=3",
        "reg=dropout",
    ),
    "budget": ("data.batch_size=32", "trainer.max_steps=7", "trainer.validations=3", "reg=dropout"),
    "gan": (
        "model=gan",
        "data=gaussians",
        "model.latent=2",
        "data.train_size=128",
        "data.batch_size=32",
        "trainer.max_epochs=2",
        "trainer.validations=3",
        "reg=input_noise",
    ),
    "triplets": (*TWELVE, "model=embedding", "loss=triplet", "loss.mining=random"),
    "lstm": (
        "model=lstm",
        "data=digits_rows",
        "model.hidden=4",
        "data.train_size=128",
        "data.batch_size=32",
        "trainer.max_epochs=2",
        "trainer.validations=3",
    ),
}


def config_of(settings: tuple[str, ...], *more: str) -> Config:
    given = (*settings, *more)
    return ablate.compose(list(given) if {"model=gan", "model=lstm"} & set(given) else short(*given))


class After(Stop):
    """Requests itself once it was looked at ``looks`` times: after so many batches."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    @property
    def requested(self) -> bool:
        self.looks -= 1
        return self.looks < 0


class Count(Stop):
    """Counts how often it was looked at."""

    looks = 0

    @property
    def requested(self) -> bool:
        self.looks += 1
        return False


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a.nan_to_num(), b.nan_to_num())
    return bool(a == b)


def assert_equal(one: Record, two: Record) -> None:
    """Fail where two runs differ in more than the time that they took."""
    assert one.status is two.status
    assert one.facts.test == two.facts.test
    assert one.facts.optimizer_state_bytes == two.facts.optimizer_state_bytes
    a, b = one.curves(), two.curves()
    assert list(a) == list(b)
    for name in set(a) - {"time/step"}:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    for checkpoint, parts in (
        ("last.ckpt", ("state_dict", "optimizer_states", "lr_schedulers", "loops", "epoch", "global_step")),
        ("best.ckpt", ("state_dict", "global_step")),
    ):
        first, second = (torch.load(r.folder / checkpoint, weights_only=True) for r in (one, two))
        for part in parts:
            left, right = flat(first[part]), flat(second[part])
            assert left.keys() == right.keys()
            different = [name for name in left if not same(left[name], right[name])]
            assert not different, (checkpoint, part, different)
    for name in set(a) - {"step", "time/step"}:
        events = EventAccumulator(str(two.folder)).Reload()
        finite = np.isfinite(b[name])
        assert [event.step for event in events.Scalars(name)] == b["step"][finite].astype(int).tolist()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_that_is_stopped_anywhere_comes_out_as_the_undisturbed_one(name: str) -> None:
    count = Count()
    whole = ablate.run(config_of(SETTINGS[name], "name=whole"), stop=count)
    assert whole.status is Status.finished
    last = count.looks - 1
    # before the first batch, before and after the first point and epoch, before the last batch, in the test
    for looks in range(1, last + 1) if name in ("random", "accumulated") else (3, 4, 5, last - 1, last):
        config = config_of(SETTINGS[name], f"name=after-{looks}")
        with pytest.raises(KeyboardInterrupt):
            ablate.run(config, stop=After(looks))
        record = open_record(config)
        assert record.status is Status.interrupted
        assert_equal(whole, again := ablate.run(config))
        assert [attempt.status for attempt in again.facts.attempts] == [Status.interrupted, Status.finished]
    assert last > whole.curves()["step"][-1]


class Handlers(pl.Callback):
    """Notes who is told of SIGTERM."""

    def __init__(self) -> None:
        self.found: list[Any] = []

    def on_train_start(self, *_: Any) -> None:
        self.found.append(signal.getsignal(signal.SIGTERM))

    def on_test_start(self, *_: Any) -> None:
        self.on_train_start()


def test_sigterm_is_ours_in_training_and_test(short_config: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = Handlers()
    config = short_config("reg=l2")
    monkeypatch.setattr(type(config.reg["l2"]), "callbacks", lambda *_: [handlers])
    before = signal.getsignal(signal.SIGTERM)
    ablate.run(config, stop=Stop())
    assert handlers.found == [before, before]


def test_a_run_may_be_stopped_before_every_step(short_config: Maker) -> None:
    whole = ablate.run(config_of(SETTINGS["random"], "name=whole"))
    config = config_of(SETTINGS["random"], "name=halting", "trainer.checkpoint_seconds=0")
    for _ in range(12):
        with pytest.raises(KeyboardInterrupt):
            ablate.run(config, stop=After(2))
    again = ablate.run(config)
    assert_equal(whole, again)
    assert [attempt.from_step for attempt in again.facts.attempts] == list(range(13))
