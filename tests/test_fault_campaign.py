"""A sweep is called again and again while its processes are killed; in the end nothing can be seen of it."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ablate.cli.main import main
from tests.processes import Call, needs_proc, until

STORMS, KILLS_EACH = 5, 4

SWEEP = [
    *("-m", "norm=bn,none", "opt=sgd,adam", "reg=none,dropout", "seed=range(0,3)", "workers=2"),
    *("data.train_size=128", "model.width=8", "trainer.max_epochs=30", "trainer.validations=6"),
    "trainer.checkpoint_seconds=0",
]


@needs_proc
def test_a_sweep_outlives_the_death_of_its_processes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*SWEEP, "name=calm"]) == 0
    moments = random.Random(20261121)
    kills = 0
    for _ in range(STORMS):
        call = Call(tmp_path, *SWEEP, "name=storm")
        try:
            until(lambda call=call: bool(call.workers()), 120)  # type: ignore[misc]
            for _ in range(KILLS_EACH):
                time.sleep(moments.uniform(0.05, 0.7))
                if workers := call.workers():
                    os.kill(moments.choice(workers), signal.SIGKILL)
                    kills += 1
            time.sleep(moments.uniform(0.05, 0.7))
        finally:
            call.process.kill()
            call.process.communicate()
        until(lambda call=call: not call.left(), 60)  # type: ignore[misc]
    assert main([*SWEEP, "name=storm"]) == 0
    calm, storm = dict(runs("calm")), dict(runs("storm"))
    attempts = [each for facts in storm.values() for each in facts["attempts"][1:]]
    resumed = sum(each["from_step"] > 0 for each in attempts)
    lost = sum(not (same_curves(a, b) and same_weights(a, b)) for a, b in zip(sorted(calm), sorted(storm), strict=True))
    with capfd.disabled():
        print(
            f"\n{len(storm)} runs; killed: main process {STORMS}, workers {kills}; "
            f"resumed {resumed}, begun anew {len(attempts) - resumed}, lost or changed {lost}"
        )
    assert STORMS + kills >= 20
    assert resumed
    assert not lost
    assert len(storm) == 24
    for facts in storm.values():
        assert facts["status"] == "finished"
        assert [each["status"] for each in facts["attempts"]].count("finished") == 1


def runs(name: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the folder and the record of each run of a sweep."""
    for path in Path("outputs", name).rglob("record.json"):
        yield path.parent, json.loads(path.read_text(encoding="utf-8"))


def same_curves(a: Path, b: Path) -> bool:
    """Return whether two runs have the same curves, but for the time that they took."""

    def curves(folder: Path) -> list[dict[str, str]]:
        with (folder / "metrics.csv").open(encoding="utf-8") as file:
            return [{k: v for k, v in row.items() if not k.startswith("time")} for row in csv.DictReader(file)]

    return curves(a) == curves(b)


def same_weights(a: Path, b: Path) -> bool:
    """Return whether the best and the last weights of two runs are the same to the bit."""

    def weights(folder: Path, name: str) -> dict[str, torch.Tensor]:
        state: dict[str, torch.Tensor] = torch.load(folder / name, weights_only=False)["state_dict"]
        return state

    pairs = [(weights(a, name), weights(b, name)) for name in ("best.ckpt", "last.ckpt")]
    return all(x.keys() == y.keys() and all(torch.equal(x[key], y[key]) for key in x) for x, y in pairs)
