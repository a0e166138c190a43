from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import nn

import ablate
from ablate.config import Config
from ablate.judges import JUDGES, Judge
from ablate.techniques import Schedule, Task
from tests.helpers import make, refusal

RATE = 0.2
FINAL = ("linear", "cosine", "warmup_cosine", "onecycle", "plateau")


def factors(name: str, total: int, steps: int, **params: float) -> list[float]:
    """Return what the rate was multiplied by at each of ``steps`` optimizer steps."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=RATE)
    schedule = make(Schedule, name, **params).build(optimizer, total)
    assert schedule is not None
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"] / RATE)
        optimizer.step()
        schedule.step()
    return found


def test_none_is_a_constant_rate() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=RATE)
    assert make(Schedule, "none").build(optimizer, 10) is None
    assert optimizer.param_groups[0]["lr"] == RATE


@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("total", [1, 7, 20])
def test_linear_follows_the_formula(total: int, final: float) -> None:
    expected = [1 - (1 - final) * t / total for t in range(total + 1)]
    assert factors("linear", total, total + 1, final=final) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("gamma", [0.001, 0.3, 1.0])
@pytest.mark.parametrize("total", [1, 7, 20])
def test_exponential_follows_the_formula(total: int, gamma: float) -> None:
    expected = [math.exp(math.log(gamma) * t / total) for t in range(total + 1)]
    assert factors("exponential", total, total + 1, gamma=gamma) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("final", [0.0, 0.2])
@pytest.mark.parametrize(("total", "warmup", "steps"), [(20, 0.1, 2), (20, 0.5, 10), (7, 0.25, 2), (1, 0.9, 1)])
def test_warmup_cosine_follows_the_formula(total: int, warmup: float, steps: int, final: float) -> None:
    found = factors("warmup_cosine", total, total + 1, warmup=warmup, final=final)
    assert found[:steps] == pytest.approx([(t + 1) / (steps + 1) for t in range(steps)], rel=1e-12)
    assert found[steps:] == pytest.approx(factors("cosine", total - steps or 1, total + 1 - steps, final=final))


def test_no_warmup_is_cosine() -> None:
    assert factors("warmup_cosine", 9, 10, warmup=0.0, final=0.1) == factors("cosine", 9, 10, final=0.1)


@pytest.mark.parametrize(("total", "peak"), [(20, 0.3), (20, 0.5), (50, 0.1)])
def test_onecycle_is_that_of_torch_on_its_own_count_of_steps(total: int, peak: float) -> None:
    # torch reaches the peak at step pct_start · total_steps - 1 and the end at step total_steps - 1.
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=RATE, momentum=0.9)
    pct_start = (peak * total + 1) / (total + 1)
    reference = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=total + 1, pct_start=pct_start, div_factor=5, final_div_factor=20
    )
    expected = []
    for t in range(total + 1):
        expected.append(optimizer.param_groups[0]["lr"] / RATE)
        optimizer.step()
        if t < total:
            reference.step()
    found = factors("onecycle", total, total + 1, peak=peak, start=0.2, final=0.01)
    assert found == pytest.approx(expected, abs=1e-12)


def test_onecycle_at_the_points_that_name_it() -> None:
    found = factors("onecycle", 20, 21, peak=0.4, start=0.1, final=0.001)
    assert [found[t] for t in (0, 4, 8, 14, 20)] == pytest.approx([0.1, 0.55, 1, 0.5005, 0.001], abs=1e-12)


@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("total", [1, 7, 20])
def test_cosine_follows_the_formula(total: int, final: float) -> None:
    expected = [final + (1 - final) * (1 + math.cos(math.pi * t / total)) / 2 for t in range(total + 1)]
    assert factors("cosine", total, total + 1, final=final) == pytest.approx(expected, abs=1e-12)


def test_cosine_from_start_over_the_middle_to_the_end() -> None:
    found = factors("cosine", 20, 25, final=0.1)
    assert [found[t] for t in (0, 10, 20)] == pytest.approx([1, 0.55, 0.1], abs=1e-12)
    assert found[20:] == pytest.approx([0.1] * 5, abs=1e-12)  # it does not swing back up


@pytest.mark.parametrize(
    ("total", "drops", "at"),
    [(12, 2, [4, 8]), (10, 2, [4, 7]), (11, 3, [3, 6, 9]), (5, 1, [3])],  # the first t with t (drops + 1) / T ≥ k
)
def test_step_drops_at_evenly_spaced_points(total: int, drops: int, at: list[int]) -> None:
    found = factors("step", total, total + 3, gamma=0.5, drops=drops)
    expected = [0.5 ** sum(t >= point for point in at) for t in range(total + 3)]
    assert found == pytest.approx(expected, rel=1e-12)  # the steps past the end keep the last rate


@pytest.mark.parametrize(("gamma", "drops"), [(0.1, 2), (0.7, 4), (1.0, 1)])
def test_step_follows_the_formula(gamma: float, drops: int) -> None:
    expected = [gamma ** math.floor(t * (drops + 1) / 23) for t in range(23)]
    assert factors("step", 23, 23, gamma=gamma, drops=drops) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["linear", "exponential", "step", "cosine", "warmup_cosine", "onecycle"])
def test_the_last_rate_stays_after_the_end(name: str) -> None:
    found = factors(name, 10, 14)
    assert found[10:] == [found[10]] * 4
    assert all(factor >= 0 for factor in found)


def test_momentum_is_left_alone() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=RATE, momentum=0.9)
    schedule = make(Schedule, "onecycle").build(optimizer, 4)
    assert schedule is not None
    for _ in range(4):
        optimizer.step()
        schedule.step()
        assert optimizer.param_groups[0]["momentum"] == 0.9


def plateau(metrics: Sequence[float], **params: float) -> list[float]:
    """Return the factor after each value of a metric that is better when larger."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=RATE)
    schedule = make(Schedule, "plateau", **params).build(optimizer, 100)
    assert isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau)
    found = []
    for metric in metrics:
        schedule.step(metric)
        found.append(optimizer.param_groups[0]["lr"] / RATE)
    return found


def test_plateau_waits_for_its_patience() -> None:
    stuck = plateau([0.5] * 8, gamma=0.5, patience=2)
    assert stuck == pytest.approx([1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25])
    assert plateau([0.1, 0.2, 0.2, 0.2, 0.3, 0.3, 0.3, 0.4], gamma=0.5, patience=2) == pytest.approx([1] * 8)
    assert plateau([0.5, 0.4, 0.3], gamma=0.5, patience=0) == pytest.approx([1, 0.5, 0.25])


def test_the_threshold_of_plateau_is_absolute_below_zero_too() -> None:
    assert plateau([-2.0, -1.9, -1.8], gamma=0.5, patience=0, threshold=0.05) == pytest.approx([1, 1, 1])
    assert plateau([-2.0, -1.9, -1.8], gamma=0.5, patience=0, threshold=0.15) == pytest.approx([1, 0.5, 0.5])


def test_plateau_stops_at_its_final_rate() -> None:
    assert plateau([0.5] * 4, gamma=0.5, patience=0, final=0.3) == pytest.approx([1, 0.5, 0.3, 0.3])


def rates(config: Config) -> list[float]:
    curves = ablate.run(config).curves()
    return [float(rate) for rate in curves["lr"]]


@pytest.mark.parametrize("epochs", [1, 4])  # a point of the curves may come twice an epoch, or every other epoch
@pytest.mark.parametrize("data", ["digits", "diabetes"])
def test_a_run_steps_plateau_at_every_point_of_the_curves(
    short_config: Callable[..., Config], data: str, epochs: int
) -> None:
    # Nothing is better by 10, so that every point but the first is one too many.
    settings = ["sched=plateau", "sched.patience=0", "sched.threshold=10", "sched.gamma=0.5", "opt.lr=0.01"]
    run = [f"data={data}", f"trainer.max_epochs={epochs}", "data.batch_size=32", "trainer.validations=2"]
    assert rates(short_config(*settings, *run)) == pytest.approx([0.01, 0.005], rel=1e-6)


def test_a_metric_that_falls_is_turned_around_for_plateau(
    short_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(JUDGES, Task.classification, Judge("loss", False))
    settings = ["sched=plateau", "sched.patience=0", "sched.gamma=0.5", "trainer.validations=4", "data.batch_size=32"]
    config = short_config(*settings, "opt=sgd", "opt.lr=0.01")
    losses = ablate.run(config).curves()["val/loss"].tolist()
    assert losses == sorted(losses, reverse=True)
    assert rates(config) == pytest.approx([0.01] * 4, rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["sched=exponential", "sched.gamma=0.0001"], [0.1, 0.01, 0.001, 0.0001]),
        (["sched=onecycle", "sched.peak=0.5", "sched.final=0"], [0.52, 1, 0.5, 0]),
    ],
)
def test_a_run_follows_the_formula(
    short_config: Callable[..., Config], settings: list[str], expected: list[float]
) -> None:
    config = short_config(*settings, "opt.lr=1", "data.batch_size=32", "trainer.validations=4")
    assert rates(config) == pytest.approx(expected, abs=1e-7)


def test_the_defaults() -> None:
    assert factors("linear", 8, 9) == pytest.approx(factors("linear", 8, 9, final=0.0))
    assert factors("exponential", 8, 9)[-1] == pytest.approx(0.01)
    assert factors("warmup_cosine", 20, 21) == factors("warmup_cosine", 20, 21, warmup=0.1, final=0.0)
    assert factors("onecycle", 20, 21) == factors("onecycle", 20, 21, peak=0.3, start=0.04, final=4e-6)
    assert plateau([0.5] * 9) == plateau([0.5] * 9, gamma=0.1, patience=3, threshold=1e-4, final=0.0)
    assert factors("cosine", 8, 9) == pytest.approx(factors("cosine", 8, 9, final=0.0))
    assert factors("step", 9, 9) == pytest.approx([1] * 3 + [0.1] * 3 + [0.01] * 3)


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        *[(name, "final", value) for name in FINAL for value in (-0.1, 1.1, math.nan)],
        *[("exponential", "gamma", value) for value in (0.0, -0.5, 1.1, math.nan)],
        *[("warmup_cosine", "warmup", value) for value in (-0.1, 1.0, math.nan)],
        *[("onecycle", "peak", value) for value in (0.0, 1.0, math.nan)],
        *[("onecycle", "start", value) for value in (-0.1, 1.1, math.nan)],
        *[("plateau", "gamma", value) for value in (0.0, 1.0, math.nan)],
        ("plateau", "patience", -1),
        *[("step", "gamma", value) for value in (0.0, -0.5, 1.1, math.nan)],
        *[("step", "drops", value) for value in (0, -1)],
    ],
)
def test_values_out_of_range_are_refused(name: str, parameter: str, value: float) -> None:
    assert f"{parameter} must be" in refusal(Schedule, name, **{parameter: value})


@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_a_negative_threshold_is_refused(value: float) -> None:
    assert "threshold must not be negative" in refusal(Schedule, "plateau", threshold=value)
