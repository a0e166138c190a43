"""Exact properties that studies name; what computes them stands in ``exact/``, and torch is imported when it does."""

from __future__ import annotations

from ablate.hookspecs import RegisterChecks, hookimpl

from .exact import convolutions, gradients, layers, outputs, recurrence, steps, training


@hookimpl
def register_checks(register: RegisterChecks) -> None:
    """Add the checks."""
    for check in (
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
        layers.l1_makes_zeros,
        layers.vanishing_gradient,
        layers.s_shape_explodes,
        recurrence.distinct_weights_cancel,
        recurrence.lstm_gradient_growth,
        training.epoch_partition,
        training.overfits_few,
    ):
        register(check.__name__, check)
