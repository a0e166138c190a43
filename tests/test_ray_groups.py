"""Runs in step as one Ray task, on a Ray that is made up: what becomes of each when the task dies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from ablate.composition import config_loader
from ablate.engines.planned import PlannedRun
from ablate.engines.ray import Board, RayEngine
from ablate.session import unpack
from ablate.stop import Stop
from ablate.sweeps.plan import make_plan
from tests.helpers import short


class RayError(Exception): ...


class TaskCancelledError(RayError): ...


class RayTaskError(RayError): ...


class MadeUp:
    """A Ray of two processors that carries out a task when it is waited for; tasks of several runs die."""

    exceptions = SimpleNamespace(RayError=RayError, TaskCancelledError=TaskCancelledError, RayTaskError=RayTaskError)

    def __init__(self) -> None:
        self.board = Board()
        self.util = MagicMock()
        self.get_runtime_context = MagicMock()
        self.kill = self.cancel = MagicMock()
        self.sent: list[tuple[list[PlannedRun], bool]] = []

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2}

    def remote(self, target: Any) -> Any:
        made = self._made_board if target is Board else self._submitted
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=made))

    def _made_board(self) -> Any:
        return SimpleNamespace(
            stop=SimpleNamespace(remote=self.board.stop), news=SimpleNamespace(remote=self.board.news)
        )

    def _submitted(self, packed: bytes, number: int, wait: bool, board: Any) -> int:
        self.sent.append((unpack(packed), wait))
        return number

    def wait(self, pending: list[int], timeout: float) -> tuple[list[int], list[int]]:
        self.board.begin(pending[0])
        return pending[:1], pending[1:]

    def get(self, what: Any) -> Any:
        if not isinstance(what, int):
            return what
        if len(self.sent[what][0]) > 1:
            raise RayError("The worker died unexpectedly.")
        return [None]


class Told:
    def __init__(self) -> None:
        self.begun: Counter[int] = Counter()
        self.over: list[tuple[int, str | None]] = []

    def __enter__(self) -> Told:
        return self

    def __exit__(self, *_: object) -> None: ...

    def waiting(self) -> None: ...

    def started(self, planned: PlannedRun) -> None:
        self.begun[planned.config.seed] += 1

    def ended(self, planned: PlannedRun, left_out: str | None = None) -> None:
        self.over.append((planned.config.seed, left_out))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[PlannedRun]:
    monkeypatch.chdir(tmp_path)
    with config_loader() as loader:
        return make_plan(short("seed=range(0,4)"), loader, sweep=True).runs


def test_runs_whose_task_has_died_go_on_by_themselves_and_each_is_told_once(runs: list[PlannedRun]) -> None:
    made_up, told = MadeUp(), Told()
    RayEngine(stack=2)._train(made_up, runs, told, Stop(), wait=False)
    sizes = [(len(group), wait) for group, wait in made_up.sent]
    assert sizes == [(2, False)] * 2 + [(1, True)] * 4
    assert told.begun == Counter(dict.fromkeys(range(4), 1))
    assert sorted(told.over) == [(seed, None) for seed in range(4)]


def test_at_a_request_to_stop_nothing_of_a_dead_task_is_tried_again(runs: list[PlannedRun]) -> None:
    made_up, told, stop = MadeUp(), Told(), Stop()
    stop.request()
    RayEngine(stack=2)._train(made_up, runs, told, stop, wait=False)
    assert [len(group) for group, _ in made_up.sent] == [2, 2]
    assert sorted(seed for seed, _ in told.over) == sorted(told.begun)


def test_runs_for_gpus_are_not_measured_on_the_machine_of_the_caller(runs: list[PlannedRun]) -> None:
    groups = RayEngine(stack="auto").groups(runs, {"CPU": 2, "GPU": 2})
    assert [len(group) for group in groups] == [1] * 4


def test_a_group_is_no_larger_than_its_share_of_the_cluster() -> None:
    with config_loader() as loader:
        runs = make_plan(short("seed=range(0,12)"), loader, sweep=True).runs

    def sizes(wait: bool = False, **cluster: float) -> list[int]:
        return [len(group) for group in RayEngine(stack=8, runs_per_gpu=2).groups(runs, cluster, wait=wait)]

    assert sizes(CPU=1) == [6, 6]
    assert sizes(CPU=4) == [3] * 4
    assert sizes(CPU=4, GPU=1) == [6, 6]
    assert sizes(CPU=4, wait=True) == [1] * 12
