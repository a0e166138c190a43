"""What optimizers keep between steps, against their formulas."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import ablate
from ablate.accounting.layers import account
from ablate.accounting.memory import state_after_a_step, state_bytes
from ablate.techniques import Optimizer
from tests.helpers import make


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(3 * 16, 5))


MATRICES, VECTORS = 3 * 9 + 5 * 48, 3 + 5
WEIGHTS = MATRICES + VECTORS


@pytest.mark.parametrize(
    ("opt", "numbers"),
    [
        ("sgd", 0),
        ("gd", 0),
        ("momentum", WEIGHTS),
        ("nesterov", WEIGHTS),
        ("rmsprop", WEIGHTS),
        ("adagrad", WEIGHTS),
        ("adadelta", 2 * WEIGHTS),
        ("adam", 2 * WEIGHTS),
        ("adamw", 2 * WEIGHTS),
        ("nadam", 2 * WEIGHTS),
        ("radam", 2 * WEIGHTS),
        ("muon", MATRICES + 2 * VECTORS),
    ],
)
def test_optimizers_keep_so_many_numbers_of_four_bytes(opt: str, numbers: int) -> None:
    assert state_after_a_step(net(), torch.ones(1, 6, 6), make(Optimizer, opt).build) == 4 * numbers


def test_lbfgs_keeps_direction_gradient_and_a_growing_history() -> None:
    kept = [
        state_after_a_step(net(), torch.ones(1, 6, 6), make(Optimizer, "lbfgs", history=n, iterations=9).build)
        for n in (1, 3)
    ]
    # a pair of changes for each place in the history, beside direction and gradient
    assert [bytes_ // (4 * WEIGHTS) for bytes_ in kept] == [2 + 2 * 1, 2 + 2 * 3]


def test_parameters_without_gradient_have_no_state() -> None:
    frozen = net()
    frozen[0].requires_grad_(False)  # type: ignore[index]
    numbers = 2 * (5 * 48 + 5)
    assert state_after_a_step(frozen, torch.ones(1, 6, 6), make(Optimizer, "adam").build) == 4 * numbers


def test_measuring_leaves_the_weights_alone() -> None:
    model = net()
    before = [p.clone() for p in model.parameters()]
    state_after_a_step(model, torch.ones(1, 6, 6), make(Optimizer, "adam").build)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(p.grad is None for p in model.parameters())


def test_an_optimizer_that_has_not_stepped_keeps_nothing() -> None:
    assert state_bytes(torch.optim.Adam(net().parameters())) == 0


@pytest.mark.parametrize("opt", ["adam", "muon", "sgd"])
def test_a_run_records_what_a_step_would_have_measured(opt: str) -> None:
    config = ablate.compose([f"opt={opt}", "trainer.max_epochs=1", "data.train_size=64", "model.width=4"])
    facts = ablate.run(config).facts
    model = ablate.build(config).model
    assert facts.optimizer_state_bytes == state_after_a_step(model, torch.ones(1, 8, 8), config.opt.build)
    assert facts.macs == 64 * 4 + 4 * 4 + 4 * 10


def test_a_network_of_several_parts_counts_all_of_them() -> None:
    gan = ablate.build(ablate.compose(["model=gan", "data=gaussians", "model.width=8", "model.depth=1"])).model
    example = torch.zeros(2)
    generator, discriminator = 2 * 8 + 8 * 2, 2 * 8 + 8
    assert account(gan, example).macs == generator + discriminator
    weights = generator + discriminator + 8 + 2 + 8 + 1
    assert state_after_a_step(gan, example, make(Optimizer, "adam").build) == 2 * 4 * weights
