"""Runs in step with one another: what each leaves on disk is what it leaves alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

import ablate
from ablate.config import Config
from ablate.engines.attempt import attempt
from ablate.engines.groups import graph, grouped
from ablate.engines.planned import PlannedRun
from ablate.engines.together import attempt_together
from ablate.layer_table import read_layers
from ablate.record import Record
from ablate.stacks.program import Objective, Program
from ablate.stop import Stop
from ablate.techniques import Activation, Regularizer
from ablate.training.resume import Resume
from tests.helpers import short

Maker = Callable[..., Config]

# 144 examples in batches of 32: five batches an epoch, the last of 16; 20 steps, points after 5, 10, 15 and 20
TWENTY = ("data.train_size=144", "data.batch_size=32", "trainer.max_epochs=4", "trainer.validations=4")
EXACT = ("trainer.precision=64-true",)
ARMS: dict[str, tuple[str, ...]] = {
    "mlp": ("norm=ln", "reg=[dropout,l2,mixup]", "opt=adamw", "sched=onecycle"),
    "cnn": ("model=cnn", "model.channels=[3,4]", "norm=bn", "opt=rmsprop", "trainer.gradient_clip_val=0.1"),
    "lstm": ("model=lstm", "model.hidden=5", "data=adding", "data.length=6", "opt=adam", "reg=l1"),
    "fcn": ("model=fcn", "model.channels=[3,4]", "data=digits_canvas", "norm=ln"),
    "plateau": ("opt.lr=0.1", "sched=plateau", "sched.patience=0"),
    "early": ("opt.lr=0.5", "reg=early_stopping", "reg.early_stopping.patience=1"),
}


def planned(folder: Path, *settings: str, seeds: Sequence[int] = (0, 1, 2)) -> list[PlannedRun]:
    """Return runs of an arm over ``seeds`` with their records in ``folder``."""
    own = [*(["model.width=8"] if "model=" not in " ".join(settings) else []), *TWENTY, *EXACT, *settings]
    own.append(f"output_dir={folder}")
    return [PlannedRun(ablate.compose([*own, f"seed={seed}"]), ()) for seed in seeds]


def alone(folder: Path, *settings: str, seeds: Sequence[int] = (0, 1, 2)) -> list[Record]:
    runs = planned(folder, *settings, seeds=seeds)
    for run in runs:
        attempt(run, Stop())
    return [run.record() for run in runs]


def in_step(folder: Path, *settings: str, seeds: Sequence[int] = (0, 1, 2)) -> list[Record]:
    runs = planned(folder, *settings, seeds=seeds)
    assert attempt_together(runs, Stop()) == [None] * len(runs)
    return [run.record() for run in runs]


def assert_same(one: Record, other: Record, tolerance: float = 1e-12) -> None:
    """Compare all that two runs left but the time that they took."""
    assert (one.status, one.facts.error) == (other.status, other.facts.error)
    assert one.facts.test == pytest.approx(other.facts.test, abs=1e-6)
    own, theirs = one.curves(), other.curves()
    assert own.keys() == theirs.keys()
    for name in own.keys() - {"time/step"}:
        np.testing.assert_allclose(own[name], theirs[name], rtol=1e-6, atol=1e-7, err_msg=name)
    rows, their_rows = (read_layers(record.folder / "layers.csv") for record in (one, other))
    assert [(row["step"], row["layer"]) for row in rows] == [(row["step"], row["layer"]) for row in their_rows]
    for row, their_row in zip(rows, their_rows, strict=True):
        assert row.keys() == their_row.keys()
        for name in row.keys() - {"layer"}:
            assert row[name] == pytest.approx(their_row[name], rel=1e-5, abs=1e-6), (row["layer"], name)
    for file in ("best.ckpt", "last.ckpt"):
        kept, their_kept = (torch.load(record.folder / file, weights_only=False) for record in (one, other))
        for part in ("epoch", "global_step", "loops"):
            assert kept[part] == their_kept[part], part
        assert kept.keys() == their_kept.keys()
        for part in sorted({"state_dict", "optimizer_states", "lr_schedulers"} & kept.keys()):
            assert_close(kept[part], their_kept[part], tolerance)


def assert_close(one: Any, other: Any, tolerance: float) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_close(one[key], other[key], tolerance)
    elif isinstance(one, list | tuple):
        for own, theirs in zip(one, other, strict=True):
            assert_close(own, theirs, tolerance)
    elif isinstance(one, Tensor):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-6)
    elif not callable(one):
        assert one == other


@pytest.mark.parametrize("arm", ARMS)
def test_every_run_comes_out_as_alone(arm: str, tmp_path: Path) -> None:
    settings = ARMS[arm]
    together, apart = in_step(tmp_path / "together", *settings), alone(tmp_path / "apart", *settings)
    for one, other in zip(together, apart, strict=True):
        assert one.status == "finished"
        assert_same(one, other, 1e-8 if arm == "cnn" else 1e-11)
        assert len(one.facts.stack) == 2
        assert not other.facts.stack


def test_arms_of_one_graph_train_in_step_each_with_settings_of_its_own(tmp_path: Path) -> None:
    each = [
        ("opt=sgd", "opt.lr=0.1", "reg=dropout", "reg.dropout.p=0.5", "init=he"),
        ("opt=adam", "opt.lr=0.01", "reg=dropout", "reg.dropout.p=0.1", "init=xavier"),
        ("opt=adam", "opt.lr=0.02", "reg=dropout", "sched=cosine", "trainer.gradient_clip_val=0.5"),
    ]
    runs = [planned(tmp_path / "together", *own, seeds=[n])[0] for n, own in enumerate(each)]
    assert len({graph(run.config) for run in runs}) == 1
    assert attempt_together(runs, Stop()) == [None] * 3
    for number, (run, own) in enumerate(zip(runs, each, strict=True)):
        (other,) = alone(tmp_path / "apart", *own, seeds=[number])
        assert_same(run.record(), other, 1e-9)
        assert len(run.record().facts.stack) == 2


class Failing(Callback):
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if pl_module.seed == 1 and trainer.global_step >= 10:
            raise RuntimeError("no more")


class Fails(Regularizer):
    """Ends the run of one seed in its middle."""

    def callbacks(self, monitor: str, higher_is_better: bool) -> list[Callback]:
        return [Failing()]


def test_a_run_that_fails_or_diverges_leaves_the_others_alone(tmp_path: Path) -> None:
    ablate.register("fails", Fails)
    arms = [("reg=fails",), ("reg=fails",), ("reg=fails", "opt.lr=1e30"), ("reg=fails",)]
    runs = [planned(tmp_path / "together", "opt=sgd", *own, seeds=[n])[0] for n, own in enumerate(arms)]
    attempt_together(runs, Stop())
    records = [run.record() for run in runs]
    assert [record.status for record in records] == ["finished", "failed", "diverged", "finished"]
    assert records[1].facts.error == "RuntimeError: no more"
    for number in (0, 3):
        (other,) = alone(tmp_path / "apart", "opt=sgd", "reg=fails", seeds=[number])
        assert_same(records[number], other)


def test_what_is_stopped_in_step_goes_on_alone_and_the_other_way_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("norm=bn", "reg=dropout", "opt=sgd", "sched=cosine")
    asked = Resume.is_asked
    undisturbed = alone(tmp_path / "apart", *settings)
    for number, (first, second) in enumerate([(attempt_together, None), (None, attempt_together)]):
        runs, stop, looks = planned(tmp_path / str(number), *settings), Stop(), [0]

        def is_asked(self: Resume, stop: Stop = stop, looks: list[int] = looks) -> bool:
            looks[0] += 1
            if looks[0] == 20:
                stop.request()
            return asked(self)

        monkeypatch.setattr(Resume, "is_asked", is_asked)
        for way in (first, second):
            if way is not None:
                way(runs, stop)
            else:
                for run in runs:
                    attempt(run, stop)
            if way is first:
                assert {run.record().status for run in runs} & {"interrupted"}
                stop = Stop()
        for run, other in zip(runs, undisturbed, strict=True):
            assert_same(run.record(), other, 1e-9)


def test_a_stack_that_fails_trains_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backward, calls = Program.backward, [0]

    def once(self: Program, x: Tensor, y: Tensor) -> Objective:
        calls[0] += 1
        if calls[0] == 8:
            raise ValueError
        return backward(self, x, y)

    monkeypatch.setattr(Program, "backward", once)
    records = in_step(tmp_path / "together", "opt=adam")
    for one, other in zip(records, alone(tmp_path / "apart", "opt=adam"), strict=True):
        assert_same(one, other, 0.0)
        assert not one.facts.stack  # of its last attempt
        assert [attempt.status for attempt in one.facts.attempts] == ["interrupted", "finished"]


def test_a_stack_without_memory_goes_on_in_two_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backward, sizes = Program.backward, list[int]()

    def limited(self: Program, x: Tensor, y: Tensor) -> Objective:
        sizes.append(len(x))
        if len(x) > 2:
            raise torch.OutOfMemoryError
        return backward(self, x, y)

    monkeypatch.setattr(Program, "backward", limited)
    records = in_step(tmp_path / "together", "opt=adam")
    assert sizes.count(len(records)) == 1
    assert sizes.count(2) > 2
    for one, other in zip(records, alone(tmp_path / "apart", "opt=adam"), strict=True):
        assert_same(one, other, 1e-9)
        assert one.facts.attempts[-1].status == "finished"
    told = [len(one.facts.stack) for one in records]
    assert told == ([1, 1, 0] if len(records) == 3 else [1] * len(records))


class Noise(nn.Module):
    """Adds noise, as no stack can know of."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.01 * torch.randn_like(x)


class Noisy(Activation):
    """Draws random numbers."""

    def build(self) -> nn.Module:
        return Noise()


def test_what_cannot_be_stacked_trains_in_turn(tmp_path: Path) -> None:
    ablate.register("noisy", Noisy)
    together, apart = in_step(tmp_path / "together", "act=noisy"), alone(tmp_path / "apart", "act=noisy")
    for one, other in zip(together, apart, strict=True):
        assert_same(one, other, 0.0)
        assert not one.facts.stack


def test_every_run_has_its_share_of_the_time(tmp_path: Path) -> None:
    clock = time.perf_counter()
    records = in_step(tmp_path, "opt=sgd")
    taken = time.perf_counter() - clock
    assert sum(record.facts.seconds or 0.0 for record in records) <= taken


def test_runs_are_grouped_by_their_graph(short_config: Maker) -> None:
    def run(*settings: str) -> PlannedRun:
        return PlannedRun(short_config(*settings), ())

    same = [("seed=0",), ("seed=1",), ("opt=adam",), ("init=zeros",), ("sched=cosine",), ("opt.lr=1",)]
    other = [("norm=bn",), ("model.width=3",), ("data.batch_size=8",), ("reg=l2",), ("trainer.max_epochs=9",)]
    assert len({graph(run(*own).config) for own in same}) == 1
    assert len({graph(run(*own).config) for own in [*same, *other]}) == 1 + len(other)
    for own in ("opt=lbfgs", "norm=spectral", "model=gan"):
        assert graph(run(own, *(["data=gaussians"] if "gan" in own else [])).config) is None
    plain, normed = [run(f"seed={n}") for n in range(5)], [run("norm=bn", f"seed={n}") for n in range(2)]
    mixed = [plain[0], normed[0], *plain[1:], normed[1]]
    assert grouped(mixed, lambda own: 4) == [tuple(plain[:3]), tuple(normed), tuple(plain[3:])]
    assert grouped(mixed, lambda own: 1) == [(one,) for one in mixed]


def test_a_sweep_in_stacks_is_the_sweep_without(tmp_path: Path) -> None:
    settings = short(*TWENTY, *EXACT, "norm=bn,none", "opt=sgd,adam", "seed=range(0,3)", "calibration=0")
    stacked = ablate.sweep([*settings, "workers=2", "stack=3", "name=stacked"])
    plain = ablate.sweep([*settings, "workers=0", "stack=off", "name=plain"])
    assert [record.status for record in stacked.records] == ["finished"] * 12
    for one, other in zip(stacked.records, plain.records, strict=True):
        assert_same(one, other, 1e-8)
        assert len(one.facts.stack) == 2
        assert one.facts.pid != os.getpid()
        assert one.facts.log == other.facts.log == []


KILLER = """\
import os, signal
from dataclasses import dataclass
import lightning.pytorch as pl
from ablate import hookimpl
from ablate.techniques import Regularizer


class Shot(pl.Callback):
    def on_validation_end(self, trainer, module):
        if module.seed == 2:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Deadly(Regularizer):
    '''Kills the process of one seed.'''

    def callbacks(self, metric, higher_is_better):
        return [Shot()]


@hookimpl
def register_techniques(register):
    register("deadly", Deadly)
"""


def test_a_stack_whose_process_dies_is_tried_apart_and_only_the_culprit_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "deadly.py"
    file.write_text(KILLER, encoding="utf-8")
    ablate.load_plugin(file)
    settings = short(*TWENTY, "reg=deadly,none", "seed=range(0,4)", "calibration=0", "workers=1", "stack=4")
    sweep = ablate.sweep(settings)
    told = {(record.facts.choices["reg"], record.facts.seed): record.status for record in sweep.records}
    assert {key for key, status in told.items() if status == "killed"} == {("deadly", 2)}
    assert set(told.values()) == {"killed", "finished"}
    (killed,) = [record for record in sweep.records if record.status == "killed"]
    assert signal.Signals.SIGKILL.name in (killed.facts.error or "")


def test_the_process_is_left_as_it_was(tmp_path: Path) -> None:
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    state = torch.get_rng_state()
    in_step(tmp_path, "reg=dropout")
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (threads, deterministic)
    assert torch.equal(torch.get_rng_state(), state)
