"""Runs on a cluster of several nodes, all of them on this machine, some of which die."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import lightning.pytorch as pl
import pytest

import ablate
from ablate.composition import config_loader
from ablate.engines.planned import PlannedRun
from ablate.engines.ray import RayEngine
from ablate.facts import Status
from ablate.stop import Stop
from ablate.sweeps.plan import Plan, make_plan
from ablate.techniques import Regularizer
from tests.helpers import python, short

pytest.importorskip("ray", reason="Ray is an extra: pip install 'lightning-ablate[ray]'")
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)

STEPS = 10
HOLD = "hold"
"""While the sweep's folder has a file of this name, no run in it gets on."""


class Slowly(pl.Callback):
    """Leaves lines in the run's folder: where it began, and that it ended."""

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        import ray

        self.note(trainer, "begun", f"{ray.get_runtime_context().get_node_id()} {os.getpid()}")

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        time.sleep(0.1)
        while (Path(trainer.default_root_dir).parents[1] / HOLD).exists():
            time.sleep(0.1)

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.note(trainer, "ended", "once")

    def note(self, trainer: pl.Trainer, name: str, line: str) -> None:
        with (Path(trainer.default_root_dir) / name).open("a") as file:
            file.write(f"{line}\n")


@dataclass
class Slow(Regularizer):
    """Takes its time; known to this session alone."""

    def callbacks(self, metric: str, higher_is_better: bool) -> list[Any]:
        return [Slowly()]


class Told:
    """A watch that counts."""

    def __init__(self, on_start: Callable[[PlannedRun], None] = lambda _: None) -> None:
        self.on_start = on_start
        self.begun: Counter[str] = Counter()
        self.ended_runs: dict[str, str | None] = {}

    def __enter__(self) -> Told:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def waiting(self) -> None: ...

    def started(self, planned: PlannedRun) -> None:
        self.begun[planned.title] += 1
        self.on_start(planned)

    def ended(self, planned: PlannedRun, left_out: str | None = None) -> None:
        assert planned.title not in self.ended_runs
        self.ended_runs[planned.title] = left_out


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one processor each."""
    import ray
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=small)
    made.small = small
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def slow() -> Iterator[None]:
    """The option ``reg=slow``, of this session."""
    from ablate.registry import registry

    before = registry()._state()
    ablate.register("slow", Slow)
    yield
    registry()._restore(before)


def plan(*settings: str) -> Plan:
    with config_loader() as loader:
        return make_plan(short(*settings, "reg=slow", f"trainer.max_steps={STEPS}"), loader, sweep=True)


@contextlib.contextmanager
def sabotage(folder: Path, act: Callable[[], bool]) -> Iterator[None]:
    """Hold the runs in ``folder`` and call ``act``, from a thread, until it says that it has done its work."""
    over, hold = threading.Event(), folder / HOLD
    folder.mkdir(parents=True)
    hold.touch()

    def loop() -> None:
        try:
            while not over.wait(0.05) and not act():
                pass
        finally:
            hold.unlink()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def training_now(folder: Path) -> list[tuple[str, int]]:
    """Return node and process of each run that has begun and not ended."""
    runs = [path for path in folder.glob("*/*/begun") if not (path.parent / "ended").exists()]
    words = [path.read_text().split()[-2:] for path in runs]
    return [(line[0], int(line[1])) for line in words if line]


def lines(folder: Path, name: str) -> list[int]:
    """Return how many lines each run has left."""
    return [len(path.read_text().splitlines()) for path in folder.glob(f"*/*/{name}")]


def test_runs_whose_worker_or_node_dies_are_trained_elsewhere(cluster: Any, slow: None) -> None:
    made = plan("norm=bn,none", "seed=range(0,4)")
    small = {key: value for key, value in cluster.small.items() if key != "include_dashboard"}
    second = cluster.add_node(**small)
    cluster.wait_for_nodes()
    killed: list[int] = []

    def act() -> bool:
        """Kill a worker of the second node, then the node while another worker trains on it."""
        for node, pid in training_now(made.folder):
            if node == second.node_id and pid not in killed:
                if killed:
                    cluster.remove_node(second, allow_graceful=False)
                    return True
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)
        return False

    told = Told()
    with sabotage(made.folder, act):
        RayEngine(cluster.address).train(made.runs, told, Stop())
    assert told.ended_runs == dict.fromkeys((run.title for run in made.runs), None)
    assert told.begun == Counter(run.title for run in made.runs)
    assert {run.record().status for run in made.runs} == {Status.finished}
    assert lines(made.folder, "ended") == [1] * 8
    assert sum(lines(made.folder, "begun")) == 10  # two were begun twice


def test_at_a_request_to_stop_nothing_more_is_begun(cluster: Any, slow: None) -> None:
    made = plan("norm=bn,none", "seed=range(0,8)")
    stop = Stop()
    told = Told(on_start=lambda _: stop.request())
    RayEngine(cluster.address).train(made.runs, told, stop)
    begun = sum(told.begun.values())
    assert 1 <= begun < 16
    assert len(told.ended_runs) == begun
    statuses = Counter(run.record().status for run in made.runs)
    assert statuses[Status.missing] >= 16 - begun
    assert not statuses[Status.running]


def test_runs_that_wait_for_resources_in_vain_end_at_a_request_to_stop(cluster: Any, slow: None) -> None:
    made = plan("seed=0,1", "trainer.threads=64")
    told, stop = Told(), Stop()
    training = threading.Thread(target=RayEngine(cluster.address).train, args=(made.runs, told, stop), daemon=True)
    training.start()
    training.join(5)
    assert training.is_alive()
    stop.request()
    training.join(60)
    assert not training.is_alive()
    assert told.ended_runs == {}
    assert {run.record().status for run in made.runs} == {Status.missing}


def test_a_run_takes_its_threads_and_where_there_are_gpus_its_share_of_one() -> None:
    def needs(*settings: str, gpus: float = 0) -> dict[str, float]:
        return RayEngine(runs_per_gpu=4).resources(ablate.compose(short(*settings)), {"GPU": gpus})

    assert needs("trainer.threads=3") == {"num_cpus": 3, "num_gpus": 0}
    assert needs(gpus=8) == {"num_cpus": 1, "num_gpus": 0.25}
    assert needs("trainer.accelerator=cpu", gpus=8) == {"num_cpus": 1, "num_gpus": 0}
    assert needs("trainer.devices=2", gpus=8) == {"num_cpus": 2, "num_gpus": 2}
    assert needs("trainer.accelerator=gpu") == {"num_cpus": 1, "num_gpus": 0.25}


def test_on_one_machine_ray_is_started_and_ended(tmp_path: Path) -> None:
    done = python("-m", "ablate", "-m", *short("seed=0,1"), "hydra/launcher=ray", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "[2/2]" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


def test_runs_of_one_graph_are_one_task_and_train_in_step(tmp_path: Path) -> None:
    done = python("-m", "ablate", "-m", *short("seed=range(0,4)"), "hydra/launcher=ray", "stack=2", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[4/4]" in done.stdout
    beside = [json.loads(path.read_text())["stack"] for path in tmp_path.glob("outputs/*/*/*/record.json")]
    assert [len(others) for others in beside] == [1] * 4


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    address = "hydra.launcher.address=127.0.0.1:1"
    done = python("-m", "ablate", "-m", *short("seed=0,1"), "hydra/launcher=ray", address, cwd=tmp_path)
    assert done.returncode == 2
    assert "ablate: hydra.launcher.address=127.0.0.1:1: " in done.stderr
    assert "Traceback" not in done.stderr
