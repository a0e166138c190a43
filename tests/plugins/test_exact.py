"""The checks of exact properties: they hold where mathematics says so, and fail where it does not."""

from __future__ import annotations

import math

import pytest
from ablate_plugins.exact import convolutions, gradients, layers, outputs, recurrence, steps, training

from ablate.exact import Checked
from ablate.hookspecs import Check

THEOREMS = [
    gradients.backpropagation,
    gradients.central_differences,
    gradients.steepest_descent,
    outputs.linear_collapse,
    outputs.pieces_by_depth,
    outputs.softmax,
    outputs.cross_entropy_from_kl,
    outputs.boolean_by_table,
    steps.adam_scale,
    steps.adam_bound,
    steps.adam_memory,
    steps.descent,
    convolutions.conv_arithmetic,
    convolutions.receptive_field,
    convolutions.dilation_keeps_resolution,
    convolutions.pooling_gradients,
    convolutions.one_by_one,
    convolutions.fcn_restores_size,
    layers.batch_norm_moments,
    layers.l2_spares_biases,
    layers.vanishing_gradient,
    recurrence.lstm_gradient_growth,
    training.epoch_partition,
    training.overfits_few,
]


@pytest.mark.parametrize("check", THEOREMS, ids=lambda check: str(check.__name__))
def test_a_theorem_holds(check: Check) -> None:
    found = check()
    assert isinstance(found, Checked)
    assert found.holds, found.reading
    again = check()  # the same whenever it is asked, but for the last digits
    assert (again.bound, again.reading) == (found.bound, found.reading)


@pytest.mark.parametrize(
    ("check", "given"),
    [
        (gradients.central_differences, {"single": True}),
        (gradients.central_differences, {"h": 0.5}),
        (steps.descent, {"share": 1.01}),
        (layers.vanishing_gradient, {"depth": 2}),
        (layers.s_shape_explodes, {}),
        (layers.distinct_weights_cancel, {"draws": 20}),
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
def test_what_is_not_so_does_not_hold(check: Check, given: dict[str, object]) -> None:
    assert not check(**given).holds


def test_the_penalty_on_absolute_values_makes_zeros() -> None:
    found = layers.l1_makes_zeros()
    assert found.holds
    assert math.isclose(found.measured, 1 - (0.87 - 0.0), abs_tol=0.05)
