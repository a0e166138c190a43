"""``logger``: who is told of a run's curves, and what they are told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import types
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger, Logger

import ablate
from ablate import config as configs
from ablate.cli.main import main
from ablate.config import Config
from ablate.errors import ConfigError
from ablate.facts import Attempt, Facts, Status
from ablate.overrides import quoted
from ablate.record import open_record
from ablate.results import open_sweep
from ablate.training import trackers
from tests.helpers import short
from tests.test_resume import TWELVE, After

Maker = Callable[..., Config]
ARMS = short("-m", "norm=bn,none", "seed=0,1", "workers=0")


class Told(CSVLogger):
    """Stands in for a tracker: notes what it is told."""

    def __init__(self, config: Config, facts: Facts) -> None:
        super().__init__("told", config.folder_name, trackers._key(facts))
        self.given: dict[str, Any] = {}
        self.points: list[tuple[int | None, set[str]]] = []

    def log_hyperparams(self, params: Any = None) -> None:
        self.given |= params

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.points.append((step, set(metrics)))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Told]:
    """Have MLflow be a stand-in, and return all that were made."""
    made: list[Told] = []

    def make(config: Config, facts: Facts) -> Logger:
        made.append(Told(config, facts))
        return made[-1]

    monkeypatch.setattr(configs, "find_spec", lambda name: name)
    monkeypatch.setattr(trackers, "prepare", lambda configs: None)
    monkeypatch.setitem(trackers._MAKERS, "mlflow", make)
    return made


def test_commas_are_a_list_of_loggers_and_no_sweep() -> None:
    assert quoted(["logger=tensorboard,csv", "logger=csv", "logger=[csv]", "norm=bn,none"]) == [
        "logger=[tensorboard,csv]",
        "logger=[csv]",
        "logger=[csv]",
        "norm=bn,none",
    ]
    assert ablate.compose([]).logger == ["tensorboard", "csv"]
    assert ablate.compose(["logger=csv"]).arm_hash == ablate.compose([]).arm_hash


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("logger=tensorbord", "there is no such logger. Did you mean 'tensorboard'?"),
        ("logger=csv,mlflow", r'its package is not installed, pip install "lightning-ablate\[mlflow\]"'),
    ],
)
def test_what_nobody_can_be_told_by_is_one_sentence(setting: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configs, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=said):
        ablate.compose([setting])


def test_without_tensorboard_there_are_no_events_and_the_curves_are_kept(short_config: Maker) -> None:
    record = ablate.run(short_config("logger=csv"))
    assert not list(record.folder.glob("events.*"))
    assert record.curves()["val/acc"].size == 2
    assert main([*ARMS, "logger=csv"]) == 0
    assert not list(Path("outputs").rglob("events.*"))


def test_a_tracker_is_told_settings_curves_and_test(short_config: Maker, told: list[Told]) -> None:
    record = ablate.run(short_config("norm=bn", "seed=3", "logger=csv,mlflow"))
    (one,) = told
    assert one.given == {**record.facts.settings, "seed": 3}
    curves = record.curves()
    assert {step for step, names in one.points if "val/acc" in names} == set(curves["step"].astype(int))
    assert any("test/acc" in names for _, names in one.points)


def test_a_run_that_goes_on_is_the_same_run_and_one_trained_anew_is_another(
    short_config: Maker, told: list[Told]
) -> None:
    config = short_config(*TWELVE, "logger=mlflow")
    with pytest.raises(KeyboardInterrupt):
        ablate.run(config, stop=After(9))
    ablate.run(config)
    assert told[0].version == told[1].version
    ablate.run(config, again=True)
    assert told[2].version != told[1].version


def test_a_tracker_that_cannot_be_made_fails_the_run_in_one_sentence(
    short_config: Maker, told: list[Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(config: Config, facts: Facts) -> Logger:
        raise OSError("no\nroute to host")

    monkeypatch.setitem(trackers._MAKERS, "mlflow", broken)
    with pytest.raises(ConfigError, match=r"^logger=mlflow: no route to host. Mend that, or leave mlflow out.$"):
        ablate.run(short_config("logger=mlflow"))
    assert open_record(short_config()).status is Status.failed


def test_a_tracker_that_breaks_while_a_run_trains_is_named_in_its_record(
    short_config: Maker, told: list[Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Told, metrics: Any, step: int | None = None) -> None:
        if step:
            raise OSError("no\nroute to host")

    monkeypatch.setattr(Told, "log_metrics", broken)
    with pytest.raises(ConfigError, match=r"^logger=mlflow: no route to host. Mend that, or leave mlflow out.$"):
        ablate.run(short_config("logger=mlflow"))
    assert ablate.run(short_config("logger=csv")).status is Status.finished


def test_a_run_whose_record_is_gone_is_another_run_to_a_tracker() -> None:
    def key(*attempts: Attempt) -> str:
        return trackers._key(Facts(Status.running, "", "0" * 8, 3, {}, {}, attempts=list(attempts)))

    first, on = Attempt("2026-01-02T03:04:05+00:00", "", 1), Attempt("2026-01-02T03:05:05+00:00", "", 1, from_step=9)
    assert key(first) == key(first, on) == "00000000-3-1-20260102030405"
    assert key(first, first) != key(first)
    assert key(Attempt("2026-01-03T03:04:05+00:00", "", 1)) != key(first)


def test_a_report_that_is_not_taken_costs_a_warning(told: list[Told], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise OSError("gone")

    monkeypatch.setattr(trackers, "prepare", lambda configs: None)
    monkeypatch.setitem(trackers._SENDERS, "mlflow", broken)
    with pytest.warns(UserWarning, match="The report was not handed on: logger=mlflow: gone"):
        assert main([*ARMS, "logger=mlflow"]) == 0
    assert len(open_sweep(Path("outputs/digits-mlp")).records) == 4


def test_the_repository_of_aim_is_made_once_and_before_the_runs(
    short_config: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[tuple[str, bool]] = []

    class Repo:
        is_remote_path = staticmethod(lambda path: path.startswith("aim://"))
        exists = staticmethod(lambda path: path in dict(made))
        from_path = staticmethod(lambda path, init: made.append((path, init)))

    monkeypatch.setitem(sys.modules, "aim", types.SimpleNamespace(Repo=Repo))
    monkeypatch.setattr(configs, "find_spec", lambda name: name)
    runs = [short_config("logger=aim", f"seed={seed}") for seed in range(3)]
    monkeypatch.setenv("AIM_REPO", "aim://elsewhere")
    trackers.prepare(runs)
    assert not made
    monkeypatch.setenv("AIM_REPO", str(tmp_path))
    trackers.prepare(runs)
    trackers.prepare(runs)
    assert made == [(str(tmp_path), True)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A tracking server of MLflow's own, with a database."""
    pytest.importorskip("mlflow", reason="MLflow is not installed", exc_type=ImportError)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}", "--artifacts-destination", str(tmp_path)]
    here = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    log = (tmp_path / "server.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *place, *here], stdout=log, stderr=log, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)
        log.close()


@pytest.mark.filterwarnings("ignore")  # of what MLflow stands on
def test_a_sweep_on_a_server_of_mlflow_is_groups_parameters_and_a_report_and_can_be_imported_again(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # half a minute, as the server takes to start: skipped where MLflow is not installed
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    assert main([*ARMS, "logger=mlflow"]) == 0
    from mlflow.tracking import MlflowClient

    client: Any = MlflowClient(tracking_uri=server)
    experiment = client.get_experiment_by_name("digits-mlp")
    runs = client.search_runs([experiment.experiment_id])
    by_name = {run.info.run_name: run for run in runs}
    assert len(runs) == 5
    files = {one.path for one in client.list_artifacts(by_name.pop("effects").info.run_id)}
    assert {"report.html", "report.json", "runs.csv"} <= files
    for record in open_sweep(Path("outputs/digits-mlp")).records:
        run = by_name[f"{record.facts.arm} seed={record.facts.seed}"]
        assert (run.info.status, run.data.tags["group"]) == ("FINISHED", record.facts.arm)
        assert run.data.tags["ablate.status"] == "finished"
        assert run.data.params["norm"] == record.facts.settings["norm"]
        assert run.data.params["seed"] == str(record.facts.seed)
        assert run.data.metrics["test/acc"] == pytest.approx(record.facts.test["test/acc"])
    assert main(["import", "mlflow", server, "--factor", "norm", "name=back"]) == 0
    ours, theirs = (open_sweep(Path("outputs") / name).frame() for name in ("digits-mlp", "back"))
    for frame in (ours, theirs):
        frame.sort_values(["norm", "seed"], inplace=True)
    assert theirs["best"].tolist() == pytest.approx(ours["best"].tolist(), rel=1e-6)
    assert theirs["steps"].tolist() == ours["steps"].tolist()


@pytest.mark.filterwarnings("ignore")  # of what W&B stands on
def test_a_sweep_on_wandb_offline_is_a_folder_for_each_run_and_one_for_the_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("wandb", reason="W&B is not installed", exc_type=ImportError)
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert main([*ARMS, "logger=csv,wandb"]) == 0
    folders = sorted(Path("outputs/wandb").glob("offline-run-*"))
    assert len(folders) == 5
    records = open_sweep(Path("outputs/digits-mlp")).records
    for record in records:
        key = f"{record.facts.arm_hash}-{record.facts.seed}-1-"
        (folder,) = (one for one in folders if key in one.name)
        content = next(folder.glob("*.wandb")).read_bytes()
        assert record.facts.arm.encode() in content
        assert b"val/acc" in content


@pytest.mark.filterwarnings("ignore")
def test_wandb_without_a_key_is_one_sentence_before_anything_trains(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb", reason="W&B is not installed", exc_type=ImportError)
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    assert main([*ARMS, "logger=wandb"]) == 2
    assert "there is no API key: wandb login, or WANDB_MODE=offline" in capsys.readouterr().err
    assert not list(Path("outputs").rglob("record.json"))
