"""A run in chunks against the same run batch by batch through Lightning, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, LambdaCallback, LearningRateMonitor, ModelCheckpoint, Timer
from torch import Tensor

import ablate
from ablate.assembly import build
from ablate.config import Config
from ablate.dataset import Examples
from ablate.layer_table import read_layers
from ablate.module import AblationModule
from ablate.record import Record
from ablate.training import chunk
from ablate.training.machine import machine
from tests.helpers import flat, short

Maker = Callable[..., Config]

# 144 examples in batches of 32: five batches an epoch, the last of 16; 20 steps, points after 5, 10, 15 and 20
TWENTY = ("data.train_size=144", "data.batch_size=32", "trainer.max_epochs=4", "trainer.validations=4")
ARMS: dict[str, tuple[str, ...]] = {
    "sgd": (*TWENTY, "opt=sgd", "norm=bn"),
    "adam": (*TWENTY, "opt=adam", "norm=bn", "reg=l2"),
    "lbfgs": (*TWENTY, "opt=lbfgs"),
    "random": (*TWENTY, "reg=[dropout,mixup,input_noise]", "sched=onecycle"),
    "plateau": (*TWENTY, "opt.lr=0.1", "sched=plateau", "sched.patience=0"),
    "early": (*TWENTY, "opt.lr=0.3", "reg=early_stopping", "reg.early_stopping.patience=1"),
    "clipped": (*TWENTY, "opt=sgd", "trainer.gradient_clip_val=0.01", "sched=warmup_cosine"),
    "double": (*TWENTY, "trainer.precision=64-true", "norm=spectral"),
    "budget": ("data.batch_size=32", "trainer.max_steps=17", "trainer.validations=3", "reg=dropout"),
    "looked_at": ("data.batch_size=16", "trainer.max_epochs=16", "trainer.validations=5", "norm=bn"),
    "joined": ("data.train_size=129", "data.batch_size=32", "trainer.max_epochs=3"),
    "diverged": (*TWENTY, "opt=sgd", "opt.lr=1e30"),
}


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give a list that takes the number of batches of each chunk."""
    found: list[int] = []
    original = chunk.Chunks._chunk

    def counted(self: chunk.Chunks, batch: Any) -> Iterator[Any]:
        found.append(0)
        for each in original(self, batch):
            found[-1] += 1
            yield each

    monkeypatch.setattr(chunk.Chunks, "_chunk", counted)
    return found


def content(record: Record) -> dict[str, Any]:
    """Return all that a run leaves but the time that it took."""
    found: dict[str, Any] = {
        "status": record.status,
        "test": record.facts.test,
        "layers": read_layers(record.folder / "layers.csv"),
    }
    found |= {f"curve {name}": values for name, values in record.curves().items() if name != "time/step"}
    for name in ("best.ckpt", "last.ckpt"):
        kept = torch.load(record.folder / name, weights_only=False)
        kept.pop("callbacks", None)  # folders
        kept.pop("run", None)
        found |= flat(kept, name)
    return found


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return bool(torch.equal(a.nan_to_num(), b.nan_to_num()))
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=True)
    return bool(a == b or (a != a and b != b))


@pytest.mark.parametrize("arm", ARMS)
def test_chunks_change_nothing_but_the_time(arm: str, sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    chunked = ablate.run(ablate.compose(short(*ARMS[arm], "name=chunks")))
    assert max(sizes) > 1
    monkeypatch.setattr(chunk, "possible", lambda *_: False)
    count = len(sizes)
    plain = ablate.run(ablate.compose(short(*ARMS[arm], "name=batches")))
    assert len(sizes) == count
    a, b = content(chunked), content(plain)
    assert a.keys() == b.keys()
    assert [name for name in a if not same(a[name], b[name])] == []


def is_chunked(config: Config, *callbacks: pl.Callback, module: AblationModule | None = None) -> bool:
    t = config.trainer
    trainer = pl.Trainer(
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
        enable_progress_bar=t.progress,
        enable_model_summary=False,
        **machine(t),
        accumulate_grad_batches=t.accumulate_grad_batches,
    )
    return chunk.possible(trainer, module or build(config))


def test_only_what_acts_on_single_batches_needs_them(short_config: Maker) -> None:
    config = short_config("trainer.accelerator=cpu")
    assert is_chunked(config)
    assert is_chunked(config, EarlyStopping("val/acc"), LambdaCallback(on_validation_end=lambda *_: None))
    for callback in (
        LambdaCallback(on_train_batch_end=lambda *_: None),
        LambdaCallback(on_before_zero_grad=lambda *_: None),
        LearningRateMonitor(),
        ModelCheckpoint(every_n_train_steps=1),
        Timer(),
    ):
        assert not is_chunked(config, callback), callback


@pytest.mark.parametrize("reg", ["grad_clip", "max_norm", "ema"])
def test_regularizers_that_act_on_steps_get_every_step(reg: str, short_config: Maker, sizes: list[int]) -> None:
    ablate.run(short_config(f"reg={reg}"))
    assert not sizes


@pytest.mark.parametrize(
    "setting", ["trainer.accumulate_grad_batches=2", "trainer.precision=bf16-mixed", "trainer.progress=true"]
)
def test_settings_that_need_single_batches(setting: str, short_config: Maker) -> None:
    assert not is_chunked(short_config("trainer.accelerator=cpu", setting))


class OwnStep(AblationModule):
    """Says itself what a step is."""

    def training_step(self, batch: Examples, batch_idx: int) -> Tensor:
        return 2 * super().training_step(batch, batch_idx)


class Talkative(AblationModule):
    """Logs at every step."""

    def outcome(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        prediction, loss = super().outcome(x, y)
        if self.training:
            self.log("own", float(self.interval.batches))
        return prediction, loss


def test_a_module_with_a_step_of_its_own_gets_every_batch(short_config: Maker) -> None:
    config = short_config("trainer.accelerator=cpu")
    module = build(config)
    assert is_chunked(config, module=module)
    module.__class__ = OwnStep
    assert not is_chunked(config, module=module)


def test_what_a_module_logs_at_every_step_is_logged_at_every_step(
    short_config: Maker, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = short_config("data.batch_size=16")
    monkeypatch.setattr(type(config.model), "module", lambda _: Talkative)
    record = ablate.run(config)
    assert sizes == [1] * 8
    assert record.curves()["own"].tolist()[:3] == [0, 1, 2]


class Steps(pl.Callback):
    """Notes what others see of the count of steps at each point, and leaves a number of its own there."""

    def __init__(self) -> None:
        self.found: list[tuple[int, float]] = []

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        pl_module.log("val/own", float(len(self.found)))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.found.append((trainer.global_step, float(trainer.callback_metrics["val/acc"])))


def test_callbacks_see_optimizer_steps_and_share_the_axis(short_config: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    config, steps = short_config(*TWENTY, "reg=l2"), Steps()
    monkeypatch.setattr(type(config.reg["l2"]), "callbacks", lambda *_: [steps])
    curves = ablate.run(config).curves()
    assert curves["step"].tolist() == [5, 10, 15, 20] == [step for step, _ in steps.found]
    assert curves["val/acc"].tolist() == pytest.approx([accuracy for _, accuracy in steps.found])
    assert curves["val/own"].tolist() == [0, 1, 2, 3]
