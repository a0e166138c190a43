"""Runs that train as one program are the runs that they would be alone."""

from __future__ import annotations

from typing import Any

import pytest

from ablate.techniques import Regularizer
from tests.helpers import make
from tests.members import assert_same, batches, steps, train_both


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
    given = [{"model": model, "seed": seed, "sched": "cosine", **COMBINATIONS[name]} for seed in range(3)]
    stack, alone = train_both(given, steps([batches(model, seed) for seed in range(3)], 200))
    assert len(stack.updates.steps) == 1
    for run, expected in zip(stack.members, alone, strict=True):
        assert_same(run, expected)
