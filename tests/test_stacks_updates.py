"""Optimizer steps of many members at once are the steps of each."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ablate.registry import registry
from ablate.stacks.member import Member
from ablate.stacks.stack import Stack
from ablate.stacks.updates import Alone, Together, clip_norms
from ablate.techniques import Optimizer, Schedule
from tests.helpers import make, normal
from tests.members import CROSS_ENTROPY, assert_same, batches, member, seeds, steps, train_both


def built_in(kind: str) -> list[str]:
    options = registry().options(kind).items()
    return sorted(name for name, option in options if option.cls.__module__.startswith("ablate_plugins"))


def gradients(run: Member) -> list[Tensor]:
    return [p.grad for p in run.network.parameters() if p.grad is not None]


def test_all_built_in_rules_but_those_of_whole_tensors_are_declared_elementwise() -> None:
    rules = {name: make(Optimizer, name) for name in built_in("opt")}
    assert [name for name, rule in rules.items() if not rule.elementwise] == ["lbfgs", "muon"]
    assert [name for name, rule in rules.items() if not rule.stackable] == ["lbfgs"]


@pytest.mark.parametrize("name", [name for name in built_in("opt") if name != "lbfgs"])
def test_every_optimizer_steps_in_a_stack_as_it_does_alone(name: str) -> None:
    given = seeds(3, model="cnn", opt=name, sched="linear", clip=0.7)
    stack, alone = train_both(given, steps([batches("cnn", seed) for seed in range(3)], 12))
    kinds = {type(step) for step in stack.updates.steps}
    assert kinds == ({Together} if make(Optimizer, name).elementwise else {Alone})
    for run, expected in zip(stack.members, alone, strict=True):
        assert_same(run, expected, tolerance=1e-10)


@pytest.mark.parametrize("name", built_in("sched"))
def test_every_schedule_moves_in_a_stack_as_it_does_alone(name: str) -> None:
    given = seeds(2, opt="adamw", sched=name, steps=9)
    stack, alone = train_both(given, steps([batches(seed=seed) for seed in range(2)], 9))
    for run, expected in zip(stack.members, alone, strict=True):
        assert_same(run, expected, tolerance=1e-10)


def test_members_with_schedules_that_follow_a_metric_step_by_themselves() -> None:
    runs = [member(seed=seed, sched="plateau") for seed in range(2)]
    assert [type(step) for step in Stack(runs, CROSS_ENTROPY).updates.steps] == [Alone, Alone]


def test_a_rate_that_depends_on_the_shape_is_no_matter_of_a_stack() -> None:
    # Muon has two groups, matrices and the rest: members keep their own.
    stack, alone = train_both(seeds(2, opt="muon"), steps([batches(), batches(seed=1)], 5))
    for run, expected in zip(stack.members, alone, strict=True):
        assert_same(run, expected)


def test_weights_that_are_frozen_stay() -> None:
    runs = [member(seed=seed) for seed in range(2)]
    for run in runs:
        for p in list(run.network.parameters())[:2]:
            p.requires_grad_(False)
        run.optimizer = run.opt.build(p for p in run.network.parameters() if p.requires_grad)
    before = [[p.clone() for p in run.network.parameters()] for run in runs]
    stack = Stack(runs, CROSS_ENTROPY)
    for x, y in steps([batches(seed=seed) for seed in range(2)], 3):
        stack.step(x, y)
    for run, old in zip(stack.members, before, strict=True):
        same = [torch.equal(p, q) for p, q in zip(run.network.parameters(), old, strict=True)]
        assert same == [True, True, *[False] * (len(same) - 2)]


def test_members_whose_rates_have_come_to_differ_step_by_themselves() -> None:
    runs = [member(seed=seed, sched="cosine") for seed in range(3)]
    runs[2].optimizer.step()
    assert runs[2].schedule is not None
    runs[2].schedule.step()
    assert [type(step) for step in Stack(runs, CROSS_ENTROPY).updates.steps] == [Together, Alone]


def test_members_at_different_steps_are_refused() -> None:
    ahead, behind = (member(seed=seed, opt="adam") for seed in range(2))
    ones = [torch.ones_like(p) for p in ahead.network.parameters()]
    for run, count in ((ahead, 2), (behind, 1)):
        for _ in range(count):
            for p, g in zip(run.network.parameters(), ones, strict=True):
                p.grad = g
            run.optimizer.step()
    with pytest.raises(ValueError, match="members cannot go on as one stack from different steps: step is"):
        Stack([ahead, behind], CROSS_ENTROPY)


def test_the_norms_of_the_gradients_are_those_of_each_member() -> None:
    (batch,) = steps([batches(seed=seed) for seed in range(3)], 1)
    stack = Stack([member(**settings) for settings in seeds(3)], CROSS_ENTROPY)
    stack.program.backward(*batch)
    norms = stack.updates.gradient_norms()
    for k in range(3):
        alone = member(seed=k)
        CROSS_ENTROPY(alone.network(batch.x[k]), batch.y[k]).backward()
        assert norms[k].item() == pytest.approx(nn.utils.get_total_norm(gradients(alone)).item(), rel=1e-12)


def test_norms_are_clipped_as_torch_clips_them() -> None:
    limits = torch.tensor([0.1, 1e9, torch.inf, 2.0], dtype=torch.float64)
    stacked = [normal(4, 3, 2), normal(4, 5, seed=1), normal(4, seed=2)]
    stacked[0][3] = torch.nan
    own = [[nn.Parameter(g[k].clone()) for g in stacked] for k in range(4)]
    clip_norms(stacked, limits)
    for k, parameters in enumerate(own):
        for p in parameters:
            p.grad = p.detach().clone()
        if k != 2:
            nn.utils.clip_grad_norm_(parameters, float(limits[k]))
        for p, g in zip(parameters, stacked, strict=True):
            torch.testing.assert_close(g[k], p.grad, rtol=1e-14, atol=0, equal_nan=True)


def test_a_schedule_and_an_optimizer_are_the_members_own_after_settling() -> None:
    runs = [member(seed=seed, opt="adam", sched=make(Schedule, "cosine")) for seed in range(3)]
    stack = Stack(runs, CROSS_ENTROPY)
    for x, y in steps([batches(seed=seed) for seed in range(3)], 4):
        stack.step(x, y)
    stack.settle()
    for run in runs:
        (group,) = run.optimizer.param_groups
        assert [id(p) for p in group["params"]] == [id(p) for p in run.network.parameters()]
        assert {id(p) for p in run.optimizer.state} == {id(p) for p in run.network.parameters()}
        assert group["lr"] == runs[0].optimizer.param_groups[0]["lr"] < 1e-3
