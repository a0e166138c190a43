"""The exact properties behind studies: what each comes to, and that it would notice a fault in what it checks."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from ablate_plugins import activation, check, loss, optimizer, pooling
from ablate_plugins.exact import convolutions, gradients, layers, outputs, recurrence, steps, training
from ablate_plugins.exact.build import kit_of
from ablate_plugins.models.pixels import FCN
from ablate_plugins.models.sequences import LSTM, Cell
from ablate_plugins.normalization import BatchNorm
from ablate_plugins.optimizers.adaptive import Adam
from ablate_plugins.regularizers.penalties import L2
from torch import nn

from ablate.dataset import training_batches
from ablate.exact import Checked

CHECKS: dict[str, Callable[..., Checked]] = {}
check.register_checks(CHECKS.__setitem__)
FALSE = {"s_shape_explodes", "distinct_weights_cancel"}
"""What the notes say and mathematics does not."""


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_every_property_comes_out_as_mathematics_has_it(name: str) -> None:
    found = CHECKS[name]()
    assert found.holds is (name not in FALSE), found.reading
    again = CHECKS[name]()  # the same whenever it is asked, but for the last digits
    assert (again.bound, again.reading) == (found.bound, found.reading)


@pytest.mark.parametrize(
    ("check", "given"),
    [
        (gradients.central_differences, {"single": True}),
        (gradients.central_differences, {"h": 0.5}),
        (steps.descent, {"share": 1.01}),
        (layers.vanishing_gradient, {"depth": 2}),
        (layers.s_shape_explodes, {}),
        (recurrence.distinct_weights_cancel, {"draws": 20}),
        (recurrence.lstm_gradient_growth, {"gain": 5.0}),
        (training.overfits_few, {"steps": 1}),
    ],
    ids=[
        "single precision",
        "wide steps",
        "large rate",
        "two layers",
        "s shapes",
        "distinct weights",
        "lstm",
        "one step",
    ],
)
def test_what_is_not_so_does_not_hold(check: Callable[..., Checked], given: dict[str, object]) -> None:
    assert not check(**given).holds


def test_the_penalty_on_absolute_values_makes_zeros() -> None:
    found = layers.l1_makes_zeros()
    assert found.holds
    assert math.isclose(found.measured, 1 - (0.87 - 0.0), abs_tol=0.05)


def test_differences_in_single_precision_lose_digits_by_the_step_and_not_by_the_bound() -> None:
    coarse = gradients.central_differences(single=True)
    assert 3e-3 < coarse.measured < 3e-2
    assert coarse.bound == 1e-3
    assert gradients.central_differences(h=1e-2, single=True).holds  # where rounding is a hundred times less


def test_slopes_and_growth_are_those_that_can_be_worked_out() -> None:
    told = layers.s_shape_explodes().reading
    assert "0.25 (sigmoid) and 1 (tanh), so that 2 of 2" in told
    assert layers.vanishing_gradient(depth=2).measured > 1e-3  # two layers are not enough
    short = recurrence.distinct_weights_cancel(steps=1, draws=400)
    assert short.measured == pytest.approx(1, abs=0.2)  # one matrix is as good as another


def faulty(base: Any, build: Callable[..., Any]) -> Any:
    """Return the technique with a fault: another ``build``, which is given its own and what it was called with."""
    return type(base.__name__, (base,), {"build": lambda own, *given: build(own, *given)})


def unbiased(own: Any, features: int, spatial: int) -> nn.Module:
    layer: nn.Module = BatchNorm.build(own, features, spatial)
    layer.register_forward_hook(lambda _, x, out: out * ((len(x[0]) - 1) / len(x[0])) ** 0.5)
    return layer


def adam(own: Any, params: Any, **changes: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(params, **{"lr": own.lr, **changes})


def bits(own: Any, task: Any) -> Any:
    nats = loss.KL.build(own, task)
    return lambda logits, target: nats(logits, target) / math.log(2)


FAULTS: list[tuple[Any, str, Any, str]] = [
    (layers, "BatchNorm", faulty(BatchNorm, unbiased), "batch_norm_moments"),
    (layers, "L2", functools.partial(L2, bias=True), "l2_spares_biases"),
    (layers, "L1", L2, "l1_makes_zeros"),
    (layers, "Sigmoid", activation.ReLU, "vanishing_gradient"),
    (
        convolutions,
        "FCN",
        faulty(FCN, lambda own, *given: nn.Sequential(FCN.build(own, *given), nn.AvgPool2d(3, 1))),
        "fcn_restores_size",
    ),
    (convolutions, "MaxPool", pooling.AvgPool, "pooling_gradients"),
    (convolutions, "AvgPool", pooling.MaxPool, "pooling_gradients"),
    (steps, "Adam", faulty(Adam, functools.partial(adam, weight_decay=0.1)), "adam_scale"),
    (steps, "Adam", faulty(Adam, functools.partial(adam, lr=0.004)), "adam_bound"),
    (steps, "Adam", faulty(Adam, functools.partial(adam, amsgrad=True)), "adam_memory"),
    (steps, "GD", faulty(optimizer.GD, lambda own, params: torch.optim.SGD(params, lr=1.1 * own.lr)), "descent"),
    (outputs, "Step", faulty(activation.Step, lambda own: nn.Hardtanh()), "boolean_by_table"),
    (outputs, "KL", faulty(loss.KL, bits), "cross_entropy_from_kl"),
    (outputs, "Softmax", faulty(activation.Softmax, lambda own: nn.Softmax(dim=0)), "softmax"),
    (outputs, "Identity", activation.ReLU, "linear_collapse"),
    (outputs, "kit_of", functools.partial(kit_of, act=activation.Identity()), "pieces_by_depth"),
    (recurrence, "LSTM", lambda cell, hidden: LSTM(cell=Cell.rnn, hidden=hidden), "lstm_gradient_growth"),
]


def _with_replacement(*given: Any) -> Any:
    batches = training_batches(*given)

    class Drawn(list[Any]):
        def set_epoch(self, epoch: int) -> None:
            batches.set_epoch(epoch)
            self[:] = [batch._replace(y=batch.y[torch.zeros_like(batch.y)]) for batch in batches]

    return Drawn()


@pytest.mark.parametrize(
    ("module", "name", "fault", "about"), FAULTS, ids=[f"{name}-{of}" for _, name, _, of in FAULTS]
)
def test_a_fault_in_what_is_checked_is_noticed(
    module: Any, name: str, fault: Any, about: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, fault)
    assert not CHECKS[about]().holds


def test_examples_that_are_drawn_twice_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ablate.dataset.training_batches", _with_replacement)
    assert not training.epoch_partition().holds


def test_a_network_without_rates_learns_nothing_by_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "Adam", lambda: Adam(lr=1e-9))
    assert not training.overfits_few().holds
