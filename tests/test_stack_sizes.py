"""How many runs train in step: as asked, or as timed steps say."""

from __future__ import annotations

import dataclasses
import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

import ablate
from ablate.config import Config
from ablate.engines import gains
from ablate.engines.gains import Gains, place, read, write
from ablate.engines.inline import InlineEngine
from ablate.engines.local import LocalEngine
from ablate.engines.planned import PlannedRun
from ablate.engines.sizes import best, in_step
from ablate.report.preview import stacks_text
from ablate.stacks.network import NotStackable
from ablate.sweep_settings import SweepSettings
from ablate.sweeps import preview
from ablate.training import pace
from ablate.training.pace import Pace, fastest, is_measured
from tests.helpers import short

GAIN = Pace.gain  # what the tests' own fixture takes away


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def tried(curve: dict[int, float], most: int = 32, seconds: float = 0.0, known: Gains | None = None) -> Gains:
    """Return what is learnt where so many in step gain what ``curve`` says, and each try takes ``seconds``."""
    clock, found = Clock(), known or Gains(steps=1000)

    def gain(size: int) -> float:
        clock.now += seconds
        return curve[size]

    found.grow(most, gain, clock)
    return found


def no_more(size: int) -> float:
    raise AssertionError(f"{size} was tried again")


def test_sizes_are_tried_up_to_the_runs_that_there_are() -> None:
    curve = {2: 1.5, 4: 2.0, 8: 3.0, 16: 4.0, 32: 5.0}
    assert tried(curve).times == curve
    assert tried(curve, most=9).times == {2: 1.5, 4: 2.0, 8: 3.0}
    assert tried(curve, most=1).times == {}


def test_larger_ones_are_not_tried_after_two_that_are_no_better() -> None:
    assert tried({2: 0.9, 4: 0.95}).times == {2: 0.9, 4: 0.95}  # no better than alone
    assert tried({2: 1.5, 4: 1.4, 8: 1.5}).times == {2: 1.5, 4: 1.4, 8: 1.5}
    curve = {2: 1.5, 4: 1.4, 8: 1.6, 16: 1.5, 32: 1.4}
    assert tried(curve).times == curve  # one that is no better may be chance


def test_nothing_more_is_tried_where_runs_cannot_train_in_step() -> None:
    assert tried({2: 0.0}).times == {2: 0.0}


def test_what_takes_long_is_tried_with_two_only() -> None:
    found = tried({2: 1.5}, seconds=20.0)
    assert found.times == {2: 1.5}
    assert found.dear
    assert not tried({2: 1.5, 4: 2.0, 8: 3.0}, most=8, seconds=gains.SECONDS / 4).dear


def test_what_is_known_is_not_tried_again() -> None:
    known = Gains(1000, {2: 1.5, 4: 2.0})
    assert tried({8: 3.0, 16: 3.5}, most=16, known=known).times == {2: 1.5, 4: 2.0, 8: 3.0, 16: 3.5}
    assert not Gains(1000, {2: 1.5}, dear=True).grow(32, no_more, Clock())
    assert not Gains(1000, {2: 1.5, 4: 2.0}).grow(5, no_more, Clock())


def test_the_size_is_chosen_that_gains_most() -> None:
    assert best({2: 1.5, 4: 3.0, 8: 2.0}, runs=32, workers=1) == 4
    assert best({2: 1.5, 4: 2.0, 8: 3.0}, runs=32, workers=1) == 8
    assert best({}, runs=32, workers=1) == 1
    assert best({size: size / 2 for size in gains.SIZES}, runs=96, workers=1) == 32
    assert best({2: 0.0}, runs=32, workers=1) == 1


def test_less_than_a_tenth_is_no_gain() -> None:
    assert best({2: 1.09}, runs=2, workers=1) == 1
    assert best({2: 1.11}, runs=2, workers=1) == 2


def test_no_worker_is_left_without_runs_that_others_have_too_many_of() -> None:
    # ten runs on four workers are three in a row by themselves, four in a row as pairs, one in a row as 3, 3, 3 and 1
    assert best({2: 1.2}, runs=10, workers=4) == 3
    assert best({2: 1.5, 4: 2.0}, runs=10, workers=2) == 5
    assert best({2: 2.0}, runs=4, workers=4) == 1


@pytest.mark.parametrize("seed", range(20))
def test_the_choice_is_never_a_tenth_slower_than_another(seed: int) -> None:
    drawn = random.Random(seed)
    known = {size: drawn.uniform(0.5, 4) for size in (2, 4, 8)}
    runs, workers = drawn.randint(2, 40), drawn.randint(1, 6)

    def duration(size: int) -> float:
        groups = math.ceil(runs / size)
        each = math.ceil(runs / groups)
        gain = 1.0 if each == 1 else known[2 ** min(3, int(math.log2(each)))]
        return math.ceil(groups / workers) * each / gain

    chosen = best(known, runs, workers)
    assert all(duration(chosen) <= 1.1 * duration(size) for size in range(1, math.ceil(runs / workers) + 1))


def configs(count: int, *settings: str, steps: int = 5000) -> list[Config]:
    one = ablate.compose(short(*settings, f"trainer.max_steps={steps}"))
    return [dataclasses.replace(one, seed=seed) for seed in range(count)]


def runs(count: int, *settings: str, steps: int = 5000) -> list[PlannedRun]:
    return [PlannedRun(config, ()) for config in configs(count, *settings, steps=steps)]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the sizes that are timed, in a world where twice as many gain half as much again."""
    sizes_asked: list[int] = []

    def gain(self: Pace, members: int) -> float:
        sizes_asked.append(members)
        return float(1.5 ** math.log2(members))

    monkeypatch.setattr(gains, "folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(Pace, "gain", gain)
    return sizes_asked


def test_as_many_train_in_step_as_is_said_if_there_are_so_many_for_each_worker() -> None:
    assert in_step("off", runs(8), 1) == 1
    assert in_step("4", runs(8), 1) == in_step(4, runs(8), 2) == 4
    assert in_step("4", runs(8), 4) == 2


def test_auto_times_steps_once_on_a_machine(asked: list[int]) -> None:
    assert in_step("auto", runs(8), 1) == 8
    assert asked == [2, 4, 8]
    assert in_step("auto", runs(8), 2) == 4
    assert in_step("auto", runs(20), 1) == 20
    assert asked == [2, 4, 8, 16]


def test_other_graphs_and_other_optimizers_are_timed_anew(asked: list[int]) -> None:
    for settings in ([], ["norm=bn"], ["opt=sgd"], ["trainer.threads=2"]):
        in_step("auto", runs(2, *settings), 1)
    assert asked == [2] * 4
    for settings in (["init=lecun"], ["opt.lr=0.5"], ["data.label_noise=0.1"]):
        in_step("auto", runs(2, *settings), 1)
    assert asked == [2] * 4


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"steps": 1}', '{"steps": 9999, "times": {"two": 1}, "dear": false}'],
    ids=["empty", "half", "list", "null", "less", "word"],
)
def test_what_cannot_be_read_is_timed_anew(content: str, asked: list[int]) -> None:
    path = place(configs(2))
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert read(path) is None
    assert in_step("auto", runs(2), 1) == 2
    assert asked == [2]
    assert json.loads(path.read_text()) == {"steps": 5000, "times": {"2": 1.5}, "dear": False}


def test_what_is_kept_is_what_was_learnt(tmp_path: Path) -> None:
    known = Gains(340, {2: 1.25, 4: 0.1}, dear=True)
    write(tmp_path / "new" / "gains.json", known)
    assert read(tmp_path / "new" / "gains.json") == known
    assert asdict(known) == {"steps": 340, "times": {2: 1.25, 4: 0.1}, "dear": True}


def test_a_folder_that_cannot_be_written_costs_the_memory_only(
    asked: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(gains, "folder", lambda: tmp_path / "file" / "cache")
    assert in_step("auto", runs(4), 1) == in_step("auto", runs(4), 1) == 4
    assert asked == [2, 4, 2, 4]


def test_short_and_single_runs_are_not_timed(asked: list[int]) -> None:
    assert in_step("auto", runs(8, steps=20), 1) == 1
    assert in_step("auto", runs(3), 3) == 1
    assert asked == []


def test_runs_on_an_accelerator_train_by_themselves(asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    on_gpu = configs(2, "trainer.accelerator=gpu")
    assert not is_measured(on_gpu[0])
    assert in_step("auto", [PlannedRun(config, ()) for config in on_gpu], 1) == 1
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert not is_measured(configs(1)[0])
    assert is_measured(configs(1, "trainer.accelerator=cpu")[0])
    assert not is_measured(configs(1, "trainer.accelerator=cpu", "trainer.precision=bf16-mixed")[0])
    assert asked == []


def test_what_a_run_would_raise_is_left_for_it(asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Pace, given: Sequence[Config]) -> None:
        raise RuntimeError

    monkeypatch.setattr(Pace, "__init__", fails)
    assert in_step("auto", runs(4), 1) == 1
    assert asked == []


def test_engines_train_groups_of_the_size_that_is_fastest(asked: list[int]) -> None:
    both = [*runs(6), *runs(2, "norm=bn")]
    assert [len(group) for group in InlineEngine("auto").groups(both)] == [6, 2]
    assert [len(group) for group in LocalEngine(2, stack="auto").groups(both, 2)] == [3, 3, 1, 1]
    assert [len(group) for group in InlineEngine("off").groups(both)] == [1] * 8
    assert [len(group) for group in InlineEngine("auto").groups(both, wait=True)] == [1] * 8


def test_a_plan_names_its_stacks(
    asked: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "seconds_of", lambda runs: {run.config.arm_hash: 1.0 for run in runs})
    settings = short(
        "norm=none,bn", "seed=range(0,4)", "dry_run=true", "workers=0", "trainer.max_steps=1000", "stack=auto"
    )
    ablate.sweep([*settings, "stack=auto"])
    assert "In step: 2 stacks of 4 runs." in capsys.readouterr().out


def test_stacks_are_told_with_their_numbers() -> None:
    assert stacks_text({8: 4, 3: 1, 1: 2}) == "In step: 4 stacks of 8 runs, 1 stack of 3 runs, 2 runs by themselves."
    assert stacks_text({2: 1, 1: 1}) == "In step: 1 stack of 2 runs, 1 run by itself."
    assert stacks_text({1: 5}) == stacks_text({}) == ""


@pytest.mark.parametrize("given", ["none", "0", "-1", "1.5", "automatic"])
def test_a_sweep_refuses_other_stacks(given: str) -> None:
    with pytest.raises(ValueError, match=f"stack must be auto, off or a whole number from 1 on, not {given}"):
        SweepSettings(stack=given)


def test_the_fastest_of_a_few_turns_counts() -> None:
    clock = Clock()
    costs = {"alone": [9.0, 0.003, 0.002, 0.001, 0.004], "together": [9.0, 0.006, 0.005]}
    order: list[str] = []

    def step(name: str) -> Callable[[], None]:
        def take() -> None:
            order.append(name)
            mine = costs[name]
            clock.now += mine.pop(0) if len(mine) > 1 else mine[0]

        return take

    assert fastest([step("alone"), step("together")], clock) == pytest.approx([0.001, 0.005])
    turn = ["alone"] * pace.IN_A_ROW + ["together"] * pace.IN_A_ROW
    assert order[:2] == ["alone", "together"]  # of which the 9 seconds do not count
    assert order[2:8] == turn


def test_a_long_step_is_taken_once_after_one_that_does_not_count() -> None:
    clock, taken = Clock(), []

    def step() -> None:
        taken.append(clock.now)
        clock.now += 10

    assert fastest([step], clock) == [10]
    assert len(taken) == 2


@pytest.mark.parametrize(
    "settings",
    [
        ["norm=bn", "reg=[dropout,l2]", "opt=adam", "sched=cosine"],
        ["trainer.precision=64-true", "trainer.gradient_clip_val=1.0", "sched=plateau"],
        ["reg=mixup"],
    ],
    ids=["usual", "double", "transformed"],
)
def test_real_steps_are_timed_and_leave_nothing_behind(
    settings: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "gain", GAIN)
    before = torch.get_rng_state(), str(np.random.get_state()), random.getstate(), sorted(tmp_path.iterdir())
    timed = Pace(configs(4, *settings, steps=300))
    assert timed.steps == 300
    assert 0.01 < timed.gain(2) < 100
    assert 0.01 < timed.gain(4) < 100
    after = torch.get_rng_state(), str(np.random.get_state()), random.getstate(), sorted(tmp_path.iterdir())
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_runs_that_cannot_train_in_step_gain_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise NotStackable

    monkeypatch.setattr(Pace, "gain", GAIN)
    monkeypatch.setattr(pace, "verify", refuses)
    assert Pace(configs(2)).gain(2) == 0.0
