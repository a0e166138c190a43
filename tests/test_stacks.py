"""Runs that train as one program are the runs that they would be alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor

import ablate
from ablate.config import Config
from ablate.dataset import Examples, prepare, training_batches
from ablate.stacks.batches import together
from ablate.stacks.member import Member
from ablate.stacks.stack import Stack
from ablate.techniques import Optimizer, Regularizer, Schedule
from tests.helpers import make
from tests.members import CROSS_ENTROPY, assert_same, batches, member, seeds, steps, train_alone, train_both

Maker = Callable[..., Config]


def regularizers(*names: str) -> dict[str, Regularizer]:
    return {name: make(Regularizer, name) for name in names}


COMBINATIONS: dict[str, dict[str, Any]] = {
    "mlp": {},
    "mlp_bn_momentum": {"norm": "bn", "opt": "momentum"},
    "mlp_ln_dropout_l1_adamw": {"norm": "ln", "reg": regularizers("dropout", "l1"), "opt": "adamw"},
    "mlp_dropout_l2_clip_rmsprop": {"reg": regularizers("dropout", "l2"), "clip": 0.5, "opt": "rmsprop"},
    "mlp_clip_adam": {"clip": 0.1, "opt": "adam"},
    "cnn": {},
    "cnn_bn_l2_momentum": {"norm": "bn", "reg": regularizers("l2"), "opt": "momentum", "pool": "max"},
    "cnn_ln_dropout_adam": {"norm": "ln", "reg": regularizers("dropout"), "opt": "adam", "pool": "avg"},
    "cnn_channel_dropout_clip_rmsprop": {"reg": regularizers("channel_dropout"), "clip": 0.5, "opt": "rmsprop"},
    "lstm": {},
    "lstm_bn_clip": {"norm": "bn", "clip": 0.5},
    "lstm_ln_dropout_l2_adam": {"norm": "ln", "reg": regularizers("dropout", "l2"), "opt": "adam"},
    "lstm_l1_rmsprop": {"reg": regularizers("l1"), "opt": "rmsprop"},
    "fcn_momentum": {"pool": "max", "opt": "momentum"},
    "fcn_bn_clip": {"norm": "bn", "clip": 0.5, "pool": "max"},
    "fcn_ln_dropout_l2_adamw": {"norm": "ln", "reg": regularizers("dropout", "l2"), "opt": "adamw", "pool": "max"},
}


@pytest.mark.parametrize("name", COMBINATIONS)
def test_after_200_steps_every_member_is_the_run_that_it_would_be_alone(name: str) -> None:
    model = name.partition("_")[0]
    given = seeds(3, model=model, sched="cosine", **COMBINATIONS[name])
    stack, alone = train_both(given, steps([batches(model, seed) for seed in range(3)], 200))
    assert len(stack.updates.steps) == 1
    for run, expected in zip(stack.members, alone, strict=True):
        assert_same(run, expected)


def test_batch_normalisation_with_adam_agrees_to_its_amplified_rounding() -> None:
    # A bias before batch normalisation has no gradient but rounding, and Adam makes steps of any gradient.
    given = seeds(3, norm="bn", opt="adam")
    stack, alone = train_both(given, steps([batches(seed=seed) for seed in range(3)], 200))
    for run, expected in zip(stack.members, alone, strict=True):
        for name, tensor in expected.network.state_dict().items():
            hidden_bias = name in ("body.1.bias", "body.3.0.bias")
            if not hidden_bias:
                torch.testing.assert_close(run.network.state_dict()[name], tensor, rtol=0, atol=1e-8, msg=name)


OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "attention": ("attention", {"norm": "ln", "reg": regularizers("dropout")}),
    "gru": ("lstm", {"params": {"cell": "gru"}}),
    "inception": ("inception", {"norm": "bn", "pool": "max"}),
    "linear": ("linear", {}),
    "peepholes": ("lstm", {"params": {"peepholes": True, "readout": "attention"}}),
    "pointnet": ("pointnet", {"norm": "group", "params": {"channels": [8], "head": [8]}}),
    "prelu": ("cnn", {"act": "prelu", "norm": "rms", "pool": "blur"}),
    "resnet": ("resnet", {"norm": "bn"}),
    "rnn": ("lstm", {"act": "tanh", "params": {"cell": "rnn", "readout": "mean"}}),
    "softmax": ("mlp", {"act": "softmax"}),
    "up": ("fcn", {"pool": "lp", "norm": "instance", "params": {"up": "bilinear", "skips": False}}),
    "wide_deep": ("wide_deep", {"reg": regularizers("dropout")}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_network_can_be_stacked(name: str) -> None:
    model, settings = OTHERS[name]
    given = seeds(3, model=model, **settings)
    stack, alone = train_both(given, steps([batches(model, seed) for seed in range(3)], 6))
    for run, expected in zip(stack.members, alone, strict=True):
        assert_same(run, expected)


def test_members_may_differ_in_all_that_is_no_part_of_the_graph() -> None:
    def dropout_and_l2(p: float, weight: float) -> dict[str, Regularizer]:
        return {"dropout": make(Regularizer, "dropout", p=p), "l2": make(Regularizer, "l2", weight=weight)}

    adamw = make(Optimizer, "adamw", lr=1e-2, weight_decay=0.1)
    common: dict[str, Any] = {"norm": "ln", "opt": "momentum", "reg": dropout_and_l2(0.2, 0.01)}
    given = [
        common,
        {**common, "seed": 1},
        {**common, "opt": make(Optimizer, "momentum", lr=0.3)},
        {**common, "opt": make(Optimizer, "rmsprop", lr=0.01), "reg": dropout_and_l2(0.0, 0.01)},
        {**common, "opt": adamw, "reg": dropout_and_l2(0.5, 0.1)},
        {**common, "opt": adamw, "reg": dropout_and_l2(0.5, 0.1), "seed": 1, "clip": 0.5},
        {**common, "init": "xavier", "sched": "cosine", "clip": 0.1},
        {**common, "sched": make(Schedule, "step", drops=1), "seed": 3},
    ]
    data = steps([batches(seed=run.get("seed", 0)) for run in given], 100)
    stack, alone = train_both(given, data)
    assert len(stack.updates.steps) == 6  # seeds of one arm step together
    for run, expected in zip(stack.members, alone, strict=True):
        # Rules that divide by the size of the gradient amplify rounding where there is next to none.
        assert_same(run, expected, tolerance=1e-12 if hasattr(run.opt, "momentum") else 1e-8)


def test_losses_and_penalties_are_each_members_own() -> None:
    reg = regularizers("l1", "l2")
    given = [*seeds(2, reg=reg), {"seed": 2}]
    (batch,) = steps([batches(seed=seed) for seed in range(3)], 1)
    objective = Stack([member(**settings) for settings in given], CROSS_ENTROPY).step(*batch)
    for k, settings in enumerate(given):
        run = member(**settings)
        (loss,) = train_alone(member(**settings), [Examples(batch.x[k], batch.y[k])])
        assert objective.losses[k].item() == pytest.approx(loss.item(), abs=1e-14)
        penalty = sum(own.item() for reg in run.reg if (own := reg.penalty(run.network)) is not None)
        assert objective.penalties is not None
        assert objective.penalties[k].item() == pytest.approx(penalty, abs=1e-14)


def test_evaluation_uses_each_members_running_statistics_and_draws_nothing() -> None:
    given = seeds(3, model="cnn", norm="bn", reg=regularizers("dropout"))
    data = steps([batches("cnn", seed) for seed in range(3)], 5)
    stack, alone = train_both(given, data)
    stack.train(False)
    outputs = stack.program.network(data[0].x)
    for k, (run, expected) in enumerate(zip(stack.members, alone, strict=True)):
        output = expected.network.eval()(data[0].x[k])
        torch.testing.assert_close(outputs[k], output, rtol=0, atol=1e-12)
        torch.testing.assert_close(run.network(data[0].x[k]), output, rtol=0, atol=1e-12)
        assert torch.equal(run.generator.get_state(), expected.generator.get_state())


@pytest.mark.parametrize("model", ["mlp", "cnn", "lstm", "fcn"])
def test_a_member_that_diverges_leaves_the_others_alone(model: str) -> None:
    wild = make(Optimizer, "sgd", lr=1e200)
    norm = "none" if model == "lstm" else "bn"
    given = seeds(3, model=model, norm=norm, reg=regularizers("l2"), clip=9.0)
    given[1] |= {"opt": wild, "clip": None}
    stack, alone = train_both(given, steps([batches(model, seed) for seed in range(3)], 20))
    weights = [torch.cat([p.flatten() for p in run.network.parameters()]) for run in stack.members]
    assert [bool(w.isfinite().all()) for w in weights] == [True, False, True]
    for k in (0, 2):
        assert_same(stack.members[k], alone[k])


def test_a_member_can_leave_and_keeps_what_it_has_come_to() -> None:
    given = seeds(3, norm="bn", opt="adamw", sched="cosine", clip=1.0)
    data = steps([batches(seed=seed) for seed in range(3)], 12)
    stack, alone = train_both(given, data[:5])
    rest = stack.only([0, 2])
    for x, y in data[5:]:
        rest.step(x[[0, 2]], y[[0, 2]])
    rest.settle()
    for k in (0, 2):
        train_alone(alone[k], [Examples(x[k], y[k]) for x, y in data[5:]])
    for run, expected in zip(stack.members, alone, strict=True):
        assert_same(run, expected, tolerance=1e-8)


def test_runs_can_join_a_stack_at_any_step_and_go_on_alone_after_it() -> None:
    given = seeds(3, reg=regularizers("dropout"), opt="adam", sched="cosine")
    data = steps([batches(seed=seed) for seed in range(3)], 30)
    runs, alone = ([member(**settings) for settings in given] for _ in range(2))
    own = [[Examples(x[k], y[k]) for x, y in data] for k in range(3)]
    for k in range(3):
        train_alone(alone[k], own[k])
        train_alone(runs[k], own[k][:10])
    stack = Stack(runs, CROSS_ENTROPY)
    for x, y in data[10:20]:
        stack.step(x, y)
        stack.settle()  # at any step, and training goes on as if nothing had been
    for k, run in enumerate(runs):
        saved = {"network": run.network.state_dict(), "optimizer": run.optimizer.state_dict()}
        fresh = member(**given[k])
        fresh.network.load_state_dict(saved["network"])
        fresh.optimizer.load_state_dict(saved["optimizer"])
        assert fresh.schedule is not None
        assert run.schedule is not None
        fresh.schedule.load_state_dict(run.schedule.state_dict())
        fresh.generator.set_state(run.generator.get_state())
        train_alone(fresh, own[k][20:])
        assert_same(fresh, alone[k])


def test_members_networks_are_views_of_the_stack() -> None:
    runs = [member("cnn", seed, norm="bn") for seed in range(2)]
    stack = Stack(runs, CROSS_ENTROPY)
    stacked = dict(stack.program.network.state_dict())
    for k, run in enumerate(runs):
        for name, tensor in run.network.state_dict().items():
            assert tensor.data_ptr() == stacked[name][k].data_ptr()
    weights = {name: torch.full_like(tensor, 2) for name, tensor in runs[0].network.state_dict().items()}
    runs[0].network.load_state_dict(weights)
    assert all(bool((tensor[0] == 2).all()) for tensor in stacked.values())
    assert not any(bool((tensor[1] == 2).all()) for name, tensor in stacked.items() if "weight" in name)


def test_the_curves_of_a_run_are_those_of_the_member(short_config: Maker) -> None:
    settings = ("reg=[dropout,mixup,l2]", "norm=bn", "opt=adamw", "data.batch_size=32", "trainer.validations=1")
    configs = [short_config(*settings, f"seed={seed}") for seed in range(2)]
    runs, modules, data = [], [], []
    for config in configs:
        pl.seed_everything(config.seed, verbose=False)
        dataset = prepare(config.data, config.seed)
        module = ablate.build(config, dataset)
        optimizer = config.opt.build(module.model.parameters())
        state = torch.Generator().set_state(torch.get_rng_state())
        runs.append(Member(module.model, config.opt, config.sched, optimizer, None, state, module.reg))
        modules.append(module)
        data.append(training_batches(dataset.splits.train, config.data, config.seed))
    stack = Stack(runs, modules[0].criterion)
    losses: list[Tensor] = []
    mixed = [map(module.transformed, own) for module, own in zip(modules, data, strict=True)]
    for x, y in together(mixed):
        losses.append(stack.step(x, y).losses)
    means = torch.stack(losses).mean(0)
    for config, mean in zip(configs, means, strict=True):
        assert ablate.run(config).curves()["train/loss"][0] == pytest.approx(mean.item(), rel=1e-5)
