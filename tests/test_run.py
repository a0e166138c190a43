from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import ablate
from ablate.config import Config
from ablate.errors import RecordError
from ablate.record import Status, open_record, read
from ablate.techniques import DataSpec
from tests.processes import until

Maker = Callable[..., Config]


def test_a_run_leaves_a_complete_record(short_config: Maker) -> None:
    record = ablate.run(short_config("norm=bn"))
    facts = record.facts
    assert record.status is Status.finished
    assert (facts.metric, facts.higher_is_better) == ("val/acc", True)
    assert facts.parameters == 64 * 8 + 8 + 16 + 8 * 8 + 8 + 16 + 8 * 10 + 10
    assert set(facts.test) == {"test/loss", "test/acc"}
    assert {"python", "torch", "lightning", "lightning-ablate"} <= set(facts.versions)
    norm = {"position": "pre", "eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True}
    assert record.config["norm"] == {"option": "bn", **norm}
    names = {path.name for path in record.folder.iterdir()}
    assert {"config.yaml", "record.json", "metrics.csv", "best.ckpt", "last.ckpt"} <= names
    assert not any(name.startswith(("hparams", "lightning")) or name.endswith(".tmp") for name in names)
    assert read(record.folder).facts == facts


def test_curves_are_on_an_axis_of_optimizer_steps(short_config: Maker) -> None:
    # 128 examples in batches of 32, two epochs: 8 steps, 4 points
    record = ablate.run(short_config("data.batch_size=32", "trainer.max_epochs=2", "trainer.validations=4", "reg=l2"))
    curves = record.curves()
    assert curves["step"].tolist() == [2, 4, 6, 8]
    expected = {"step", "train/loss", "train/penalty", "val/loss", "val/acc", "lr", "grad_norm", "time/step"}
    assert set(curves) == expected
    assert curves["lr"].tolist() == [0.001] * 4
    events = EventAccumulator(str(record.folder)).Reload()
    scalars = {name for name in events.Tags()["scalars"] if not name.startswith("layers/")}
    assert scalars == expected - {"step"}
    assert [(e.step, pytest.approx(e.value)) for e in events.Scalars("val/acc")] == list(
        zip(curves["step"].tolist(), curves["val/acc"].tolist(), strict=True)
    )


def test_accumulated_batches_count_as_one_step(short_config: Maker) -> None:
    # 9 batches an epoch, two a step: 5 steps, the last of each epoch with a single batch
    settings = ("data.train_size=144", "data.batch_size=16", "trainer.accumulate_grad_batches=2")
    curves = ablate.run(short_config(*settings, "trainer.max_steps=8", "trainer.validations=8")).curves()
    assert curves["step"].tolist() == sorted(set(curves["step"].tolist()))
    assert curves["step"][0] > 0
    assert curves["step"][-1] == 8
    assert np.isfinite(curves["grad_norm"]).all()


def test_a_last_batch_of_one_example_trains_with_batch_norm(short_config: Maker) -> None:
    assert ablate.run(short_config("norm=bn", "data.train_size=65")).status is Status.finished


@pytest.mark.parametrize("budget", ["trainer.max_steps=7", "data.train_size=112"])
def test_the_last_point_is_at_the_end_of_the_budget(short_config: Maker, budget: str) -> None:
    # 7 steps and 3 points: one after every 3 steps, and one at the end
    record = ablate.run(short_config("data.batch_size=16", "trainer.validations=3", budget))
    curves = record.curves()
    assert curves["step"].tolist() == [3, 6, 7]
    assert np.isfinite(curves["grad_norm"]).all()
    assert torch.load(record.folder / "last.ckpt", weights_only=True)["global_step"] == 7


def test_max_steps_is_the_budget(short_config: Maker) -> None:
    # more steps than the default number of epochs has
    record = ablate.run(short_config("data.batch_size=128", "trainer.max_steps=30"))
    assert record.curves()["step"].tolist() == [15, 30]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(short_config: Maker) -> None:
    a, b, c = (
        ablate.run(short_config("reg=dropout", f"name={name}", f"seed={seed}"))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    for name in ("val/loss", "train/loss", "grad_norm"):
        assert a.curves()[name].tolist() == b.curves()[name].tolist()
        assert a.curves()[name].tolist() != c.curves()[name].tolist()


def test_a_finished_run_is_never_trained_again(short_config: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ablate.run(short_config())
    monkeypatch.setattr("ablate.training.run.train", lambda *_: pytest.fail("trained twice"))
    assert ablate.run(short_config()).facts == first.facts


def test_running_leaves_the_process_as_it_was(short_config: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(2)
    monkeypatch.setenv("PL_GLOBAL_SEED", "5")
    torch.manual_seed(7)

    def state() -> list[object]:
        environment = {name: value for name, value in os.environ.items() if name.startswith(("PL_", "CUBLAS_"))}
        deterministic = torch.are_deterministic_algorithms_enabled()
        threads, handler = torch.get_num_threads(), signal.getsignal(signal.SIGINT)
        return [torch.get_rng_state().tolist(), environment, deterministic, threads, handler]

    before = state()
    ablate.run(short_config())
    assert state() == before


@dataclass
class Failing(ablate.techniques.Regularizer):
    """Raises, or stops the program, in the first batch."""

    error: type[BaseException] = RuntimeError

    def transform(
        self, x: torch.Tensor, y: torch.Tensor, spec: DataSpec, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        raise self.error("planted")


def failing(config: Config, error: type[BaseException]) -> Config:
    regularizer = next(iter(config.reg.values()))
    regularizer.transform = Failing(error).transform  # type: ignore[method-assign]
    return config


def test_a_failure_is_recorded_with_its_traceback_and_retried(short_config: Maker) -> None:
    with pytest.raises(RuntimeError, match="planted"):
        ablate.run(failing(short_config("reg=l2"), RuntimeError))
    record = open_record(short_config("reg=l2"))
    assert record.status is Status.failed
    assert record.facts.error == "RuntimeError: planted"
    assert "in transform" in (record.facts.traceback or "")
    again = ablate.run(short_config("reg=l2"))
    assert (again.status, again.facts.error, again.facts.traceback) == (Status.finished, None, None)
    assert again.curves()["step"].tolist() == [1, 2]
    assert len(list(again.folder.glob("events.*"))) == 1


def test_ctrl_c_is_an_interruption_not_a_failure(short_config: Maker) -> None:
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        ablate.run(failing(short_config("reg=l2"), KeyboardInterrupt))
    assert open_record(short_config("reg=l2")).status is Status.interrupted
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_diverging_run_stops_and_says_where(short_config: Maker) -> None:
    record = ablate.run(short_config("opt=sgd", "opt.lr=1e30", "trainer.max_epochs=9", "trainer.validations=9"))
    assert record.status is Status.diverged
    assert "no longer finite at step 2" in (record.facts.error or "")
    assert record.curves()["step"].tolist() == [2]


def test_a_run_that_another_process_holds_is_left_alone(short_config: Maker) -> None:
    record = open_record(short_config())
    with record.lock(), pytest.raises(RecordError, match="being trained by another process"):
        ablate.run(short_config())


def test_a_run_that_another_process_has_just_finished_is_not_trained(
    short_config: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ablate.training import run as training

    stale = open_record(short_config())
    ablate.run(short_config())
    monkeypatch.setattr(training, "open_record", lambda _: stale)
    monkeypatch.setattr(training, "train", lambda *_: pytest.fail("trained twice"))
    assert ablate.run(short_config()).status is Status.finished


def test_a_run_left_by_another_machine_is_trained(short_config: Maker) -> None:
    record = open_record(short_config())
    record.facts.status, record.facts.pid, record.facts.host = Status.running, 1, "a-machine-that-is-gone"
    record.save()
    assert ablate.run(short_config()).status is Status.finished


def test_a_killed_run_is_trained_again(short_config: Maker, tmp_path: Path) -> None:
    code = (
        "import ablate; ablate.run(ablate.compose(['trainer.max_epochs=5000', 'trainer.validations=5000', "
        "'data.train_size=128', 'model.width=8', 'name=killed', 'label=arm']))"
    )
    child = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    folder = tmp_path / "outputs" / "killed"
    try:
        until(lambda: bool(list(folder.rglob("metrics.csv"))), 120)
    finally:
        child.kill()
        child.wait()
    (path,) = folder.rglob("record.json")
    assert json.loads(path.read_text())["status"] == "running"
    assert read(path.parent).status is Status.interrupted
    assert read(path.parent).curves()["step"].size > 0


def test_the_best_weights_are_kept_and_tested(short_config: Maker) -> None:
    config = short_config("trainer.max_epochs=4", "trainer.validations=8", "opt.lr=0.03")
    record = ablate.run(config)
    module = ablate.build(config)
    module.load_state_dict(torch.load(record.checkpoint, weights_only=True)["state_dict"])
    module.eval()
    from ablate.dataset import prepare

    splits = prepare(config.data, config.seed).splits
    with torch.no_grad():
        for split, accuracy in (
            (splits.val, record.curves()["val/acc"].max()),
            (splits.test, record.facts.test["test/acc"]),
        ):
            assert float((module(split.x).argmax(1) == split.y).float().mean()) == pytest.approx(accuracy, abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "metric"),
    [
        (["data=diabetes", "data.train_size=64"], "val/r2"),
        (["model=fcn", "data=digits_canvas", "data.count=20", "model.channels=[4]"], "val/miou"),
        (["model=lstm", "data=digits_rows", "data.train_size=64", "model.hidden=4"], "val/acc"),
    ],
)
def test_every_task_has_its_metric(settings: list[str], metric: str) -> None:
    record = ablate.run(ablate.compose([*settings, "trainer.max_epochs=1", "trainer.validations=1"]))
    assert record.facts.metric == metric
    assert metric in record.curves()
