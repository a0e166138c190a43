"""The contract kit finds what is wrong: each technique of ``faulty/`` fails, by the contract that the table names."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ablate.techniques import Technique
from ablate.testing import ContractError, check, contracts
from ablate.testing.suite import cases
from tests.faulty import activations, everywhere, losses, networks, regularizers, steps, tables, weights

FAULTS: list[tuple[type[Technique], str]] = [
    # all kinds
    (everywhere.WithoutSource, "names_its_source"),
    (everywhere.WithoutWords, "explains_itself"),
    (everywhere.RaisesKeyError, "refuses_wrong_values"),
    (everywhere.Unchecked, "refuses_wrong_values"),
    (everywhere.Nameless, "refuses_wrong_values"),
    (everywhere.TakesNaN, "refuses_wrong_values"),
    (everywhere.WithoutDefault, "builds_from_its_defaults"),
    (everywhere.ChangesItself, "stays_as_it_was"),
    (everywhere.ScaledOnTheWay, "comes_back_from_its_config"),
    (everywhere.WithoutEquality, "is_known_by_its_parameters"),
    (everywhere.FailsWithTwoFlags, "builds_from_valid_parameters"),
    (everywhere.HoldsALambda, "can_be_pickled"),
    (everywhere.WaivesNothing, "waives_what_there_is"),
    (everywhere.IgnoresItsGain, "uses_every_parameter"),
    # activations
    (activations.ChangesDtype, "keeps_the_dtype"),
    (activations.WidensBFloat16, "keeps_the_dtype"),
    (activations.InPlace, "leaves_its_input_alone"),
    (activations.Detached, "has_the_right_gradient"),
    (activations.DetachedInTraining, "has_the_right_gradient"),
    (activations.Overflows, "has_finite_gradients"),
    (activations.Flattens, "keeps_its_shape"),
    (activations.MixesExamples, "does_not_mix_examples"),
    (activations.OnlyInTraining, "is_the_same_in_evaluation"),
    (activations.KeepsNoState, "comes_back_from_its_state_dict"),
    (activations.SharesItsCopy, "can_be_copied"),
    (activations.ForgetsItsCopy, "can_be_copied"),
    (activations.NumpyNoise, "repeats_with_its_seed"),
    (activations.NeedsTheCPU, "builds_on_the_meta_device"),
    (activations.Draws, "trains_in_step"),
    # initialisers
    (weights.GlobalRandom, "draws_from_the_generator"),
    (weights.HeByFanOut, "keeps_the_promised_variance"),
    (weights.FillsTheFirst, "fills_every_weight"),
    # normalisations
    (weights.InvertedMomentum, "moves_running_statistics_by_momentum"),
    (weights.AddsUp, "moves_running_statistics_by_momentum"),
    (weights.BiasedVariance, "moves_running_statistics_by_momentum"),
    (weights.BatchInEvaluation, "does_not_mix_examples"),
    (weights.MovesInEvaluation, "stays_as_it_is_in_evaluation"),
    (weights.FrozenWeight, "reparametrizes_every_layer"),
    (weights.ForgetsItsScale, "reparametrizes_every_layer"),
    # pooling
    (regularizers.CountsPadding, "keeps_a_constant_constant"),
    (regularizers.MixesChannels, "does_not_mix_channels"),
    (regularizers.LosesChannels, "keeps_its_shape"),
    # regularizers
    (regularizers.AlwaysDrops, "does_nothing_in_evaluation"),
    (regularizers.DropsWithoutRescaling, "keeps_the_expectation"),
    (regularizers.RescalesByTooMuch, "keeps_the_expectation"),
    (regularizers.L1OnBiases, "leaves_biases_alone"),
    (regularizers.L1OnLaterBiases, "leaves_biases_alone"),
    (regularizers.WithoutGradient, "has_a_scalar_penalty"),
    (regularizers.ManyPenalties, "has_a_scalar_penalty"),
    (regularizers.ShrinksInPlace, "has_a_scalar_penalty"),
    (regularizers.ChangesTheBatch, "leaves_the_batch_alone"),
    (regularizers.GlobalNoise, "transforms_by_the_generator"),
    (regularizers.DropsExamples, "keeps_the_batch"),
    (regularizers.Misspelled, "acts_in_some_way"),
    (regularizers.OneCallback, "gives_lightning_callbacks"),
    # optimizers
    (steps.Ascends, "solves_a_quadratic"),
    (steps.Crawls, "solves_a_quadratic"),
    (steps.StateElsewhere, "resumes_from_its_state_dict"),
    (steps.FixedRate, "obeys_the_learning_rate"),
    (steps.DecaysAll, "leaves_what_has_no_gradient_alone"),
    (steps.NoClosure, "calls_its_closure"),
    (steps.NoGradients, "calls_its_closure"),
    (steps.NoLoss, "calls_its_closure"),
    (steps.SharesItsCount, "repeats_itself"),
    (steps.Float32State, "keeps_the_precision"),
    (steps.LooksAtTheWhole, "treats_numbers_alike"),
    # losses
    (losses.SumsUp, "averages_over_the_batch"),
    (losses.OneEach, "is_a_finite_scalar"),
    (losses.Gains, "prefers_the_right_prediction"),
    (losses.LogOfSoftmax, "is_a_finite_scalar"),
    (losses.HalfDetached, "has_the_right_loss_gradient"),
    (losses.FirstPixel, "looks_at_most_of_the_prediction"),
    (losses.IndicesAlone, "takes_soft_targets_or_says_no"),
    # schedules
    (steps.NeverMoves, "moves_the_rate"),
    (steps.GoesNegative, "has_rates_that_can_be_trained_with"),
    (steps.CyclesBetas, "changes_the_rate_alone"),
    (steps.ShrinksWeights, "changes_the_rate_alone"),
    (steps.CountsInAClosure, "resumes_its_schedule"),
    # models
    (networks.WithoutCarry, "sees_all_of_its_input"),
    (networks.IgnoresRegularizers, "has_its_regularizers"),
    (networks.IgnoresNormalisation, "has_its_normalisation"),
    (networks.OwnActivation, "has_its_activation"),
    (networks.SpareLayer, "trains_every_parameter"),
    (networks.OneOutput, "keeps_its_shape"),
    (networks.TakesEverything, "takes_what_it_says"),
    # data
    (tables.NoSeed, "splits_by_its_seed"),
    (tables.GlobalSplit, "repeats_its_split"),
    (tables.Leaks, "keeps_its_splits_apart"),
    (tables.LeaksIntoValidation, "keeps_its_splits_apart"),
    (tables.TestsOnValidation, "keeps_its_splits_apart"),
    (tables.EmptySplit, "gives_three_splits"),
    (tables.Unlabelled, "gives_three_splits"),
    (tables.Missing, "gives_finite_float32_inputs"),
    (tables.Halves, "gives_finite_float32_inputs"),
    (tables.FromMinusOne, "has_targets_of_its_task"),
    (tables.OneClassPerImage, "has_targets_of_its_task"),
]


def broken(cls: type[Technique], name: str, **reference: Any) -> str:
    """Return what the contract ``name`` has against ``cls``."""
    (case,) = [case for case in cases("it", cls, "here", **reference) if case.contract.name == name]
    with pytest.raises(ContractError) as caught:
        case.run()
    return str(caught.value)


@pytest.mark.parametrize(("cls", "name"), FAULTS, ids=[cls.__name__ for cls, _ in FAULTS])
def test_a_fault_breaks_the_contract_of_the_table(cls: type[Technique], name: str) -> None:
    assert broken(cls, name).startswith(f"it breaks the contract {name}: ")


def test_an_optimizer_whose_closure_has_no_gradients_is_told_so() -> None:
    sentence = broken(steps.NoGradients, "calls_its_closure")
    assert "the closure runs without gradients. Call it under torch.enable_grad()." in sentence


def adam(technique: Any, params: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(params, lr=technique.lr)


def test_adam_without_bias_correction_disagrees_with_its_reference() -> None:
    sentence = broken(steps.AdamWithoutCorrection, "agrees_with_its_reference", reference=adam)
    assert "after step 1 it is off its reference by 0.002" in sentence


def test_adam_without_bias_correction_keeps_all_that_every_optimizer_promises() -> None:
    check(steps.AdamWithoutCorrection)


@pytest.mark.parametrize("cls", [everywhere.Sound, networks.Carries, tables.Table])
def test_what_is_right_passes(cls: type[Technique]) -> None:
    check(cls)


def test_a_reference_that_agrees_passes() -> None:
    check(everywhere.Sound, reference=lambda snake, x: x + (1 - torch.cos(2 * snake.a * x)) / (2 * snake.a))


def test_every_contract_has_a_fault_that_breaks_it() -> None:
    assert {contract.name for contract in contracts()} == {name for _, name in FAULTS}
