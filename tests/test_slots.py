from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

import ablate
from ablate.engines import local
from ablate.engines.planned import PlannedRun
from ablate.engines.slots import Slot, gpu_names, quota, slots, usable_processors


@pytest.mark.parametrize(
    ("workers", "runs", "threads", "processors", "expected"),
    [
        ("auto", 100, 1, 8, 8),
        ("auto", 3, 1, 8, 3),
        ("auto", 100, 3, 8, 2),
        ("auto", 100, 16, 8, 1),
        ("5", 100, 1, 2, 5),
        ("5", 2, 1, 2, 2),
        ("auto", 0, 1, 8, 0),
    ],
)
def test_without_gpus_every_worker_has_its_threads(
    workers: str, runs: int, threads: int, processors: int, expected: int
) -> None:
    assert slots(workers, runs=runs, threads=threads, processors=processors) == [Slot()] * expected


@pytest.mark.parametrize(
    ("workers", "runs", "per_gpu", "expected"),
    [
        ("auto", 100, 1, "ab"),
        ("auto", 100, 2, "abab"),
        ("auto", 3, 2, "aba"),
        ("1", 100, 2, "a"),
        ("3", 100, 2, "aba"),
        ("9", 100, 2, "abab"),
    ],
)
def test_with_gpus_all_are_taken_once_before_any_twice(workers: str, runs: int, per_gpu: int, expected: str) -> None:
    made = slots(workers, runs=runs, threads=1, processors=1, gpus=["a", "b"], runs_per_gpu=per_gpu)
    assert made == [Slot(name) for name in expected]
    assert made[0].environment == {"CUDA_VISIBLE_DEVICES": "a"}
    assert Slot().environment == {}


def test_a_run_on_several_devices_has_as_many_gpus_for_itself() -> None:
    made = slots("auto", runs=9, threads=2, processors=1, gpus=list("abcde"), runs_per_gpu=2, devices=2)
    assert made == [Slot("a,b"), Slot("c,d")]
    assert made[1].environment == {"CUDA_VISIBLE_DEVICES": "c,d"}


def test_every_device_of_a_run_has_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "usable_processors", lambda: 12)
    config = ablate.compose(["trainer.devices=3", "trainer.threads=2", "trainer.accelerator=cpu"])
    assert local.LocalEngine().slots([PlannedRun(config, ())] * 9) == [Slot()] * 2


def test_gpus_are_called_as_this_process_sees_them() -> None:
    assert gpu_names(2, None) == ["0", "1"]
    assert gpu_names(2, "5, GPU-8932f937") == ["5", "GPU-8932f937"]
    assert gpu_names(1, "3,-1,4") == ["3"]  # what stands after an invalid name does not count
    assert gpu_names(0, "") == []


def group(root: Path, path: str, **files: str) -> None:
    (root / path).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / path / name.replace("__", ".")).write_text(text, encoding="utf-8")


def test_a_control_group_grants_no_more_than_those_above_it(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("0::/box/job\n", encoding="utf-8")
    group(tmp_path / "fs", "box/job", cpu__max="max 100000\n")
    assert quota(tmp_path / "fs", own) == math.inf
    group(tmp_path / "fs", "box", cpu__max="250000 100000\n")
    assert quota(tmp_path / "fs", own) == 2.5
    group(tmp_path / "fs", "box/job", cpu__max="50000 100000\n")
    assert quota(tmp_path / "fs", own) == 0.5
    assert quota(tmp_path / "fs", tmp_path / "nowhere") == math.inf


def test_the_first_version_of_control_groups_is_read_too(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("5:memory:/job\n4:cpu,cpuacct:/job\n", encoding="utf-8")
    group(tmp_path / "fs", "cpu/job", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
    assert quota(tmp_path / "fs", own) == math.inf
    group(tmp_path / "fs", "cpu/job", cpu__cfs_quota_us="300000\n")
    assert quota(tmp_path / "fs", own) == 3.0


def test_there_is_a_processor() -> None:
    assert 1 <= usable_processors() <= (os.cpu_count() or 1)
