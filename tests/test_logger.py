"""The tables and events of a run while it trains, and after."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import ablate
from ablate.config import Config
from ablate.curves import read_curves
from ablate.training import logger
from ablate.training.logger import CurveLogger, EventLogger

Maker = Callable[..., Config]


class Threads(pl.Callback):
    """Notes how many threads there are at each point."""

    def __init__(self) -> None:
        self.found: list[int] = []

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.found.append(threading.active_count())


def test_events_are_the_curves_in_one_file_and_take_no_thread(
    short_config: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, threads = short_config("reg=l2", "trainer.validations=4", "data.batch_size=16"), Threads()
    monkeypatch.setattr(type(config.reg["l2"]), "callbacks", lambda *_: [threads])
    before = threading.active_count()
    record = ablate.run(config)
    assert max(threads.found) <= before + 1  # the one that touches the lock
    assert len(list(record.folder.glob("events.*"))) == 1
    events, curves = EventAccumulator(str(record.folder)).Reload(), record.curves()
    for name in set(curves) - {"step"}:
        found = events.Scalars(name)
        assert [event.step for event in found] == curves["step"].tolist() == [2, 4, 6, 8]
        assert [event.value for event in found] == pytest.approx(curves[name].tolist(), rel=1e-6)


def test_tables_are_written_after_a_pause_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("ablate.training.logger.time.monotonic", lambda: now)
    curves, events = CurveLogger(tmp_path), EventLogger(tmp_path)

    def point(step: int) -> list[int]:
        for each in (curves, events):
            each.log_metrics({"loss": float(step)}, step)
            each.save()
        return written()

    def written() -> list[int]:
        table = read_curves(tmp_path / "metrics.csv")["step"].astype(int).tolist()
        found = [event.step for event in EventAccumulator(str(tmp_path)).Reload().Scalars("loss")]
        assert found == table
        return found

    assert point(1) == [1]
    assert point(2) == [1]
    now += logger.PAUSE_SECONDS
    assert point(3) == [1, 2, 3]
    assert point(4) == [1, 2, 3]
    for each in (curves, events):
        each.finalize("failed")
    assert written() == [1, 2, 3, 4]


def test_whoever_has_an_image_to_show_gets_torchs_writer(tmp_path: Path) -> None:
    events = EventLogger(tmp_path)
    events.experiment.add_image("square", torch.zeros(1, 2, 2), 7)
    events.save()
    assert [event.step for event in EventAccumulator(str(tmp_path)).Reload().Images("square")] == [7]
    events.finalize("success")
