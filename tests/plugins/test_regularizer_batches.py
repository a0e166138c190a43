"""Regularizers that change training batches."""

from __future__ import annotations

import math

import pytest
import torch
from ablate_plugins.regularizers.images import affine, random_matrices
from torch import Tensor

from ablate.techniques import DataSpec, Regularizer, Task
from tests.helpers import generator, make, normal, refusal

CLASSES = DataSpec(Task.classification, (1, 8, 8), 5)
PIXELS = DataSpec(Task.segmentation, (1, 8, 8), 5)
TARGETS = DataSpec(Task.regression, (6,), 1)


def one_hot(y: Tensor, classes: int) -> Tensor:
    return torch.stack([(y == c).double() for c in range(classes)], 1)


@pytest.mark.parametrize(("y", "spec"), [((7,), CLASSES), ((7, 4, 4), PIXELS)])
def test_label_smoothing_moves_epsilon_to_all_classes(y: tuple[int, ...], spec: DataSpec) -> None:
    labels = torch.randint(5, y, generator=generator())
    x, soft = make(Regularizer, "label_smoothing", epsilon=0.2).transform(normal(7, 3), labels, spec, generator())
    torch.testing.assert_close(soft, 0.8 * one_hot(labels, 5) + 0.2 / 5, rtol=0, atol=1e-15)
    assert torch.equal(x, normal(7, 3))


def test_mixup_mixes_inputs_and_targets_with_the_same_partner_and_share() -> None:
    x = torch.arange(6, dtype=torch.float64).view(6, 1)  # each example is its own number, and its own class
    spec = DataSpec(Task.classification, (1,), 6)
    mixed, soft = make(Regularizer, "mixup", alpha=1.0).transform(x, torch.arange(6), spec, generator(3))
    torch.testing.assert_close(soft.sum(1), torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(soft @ x, mixed, rtol=0, atol=1e-12)
    shares = {round(float(v), 9) for v in soft.flatten() if 0 < v < 1}
    assert len(shares) == 2
    assert sum(shares) == pytest.approx(1)


def test_mixup_of_a_regression_mixes_the_targets() -> None:
    x = normal(5, 6)
    mixed, y = make(Regularizer, "mixup", alpha=1.0).transform(x, x[:, :1], TARGETS, generator(1))
    torch.testing.assert_close(mixed[:, :1], y)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_share_of_mixup_is_beta_distributed(alpha: float) -> None:
    reg, draw = make(Regularizer, "mixup", alpha=alpha), generator()
    x, y = torch.tensor([[0.0], [1.0]], dtype=torch.float64), torch.tensor([0, 1])
    spec = DataSpec(Task.classification, (1,), 2)
    shares = torch.tensor([float(reg.transform(x, y, spec, draw)[1][0, 0]) for _ in range(4000)])
    # half the pairs are mixed with themselves; the others give Beta(alpha, alpha), of variance 1 / (4 (2 alpha + 1))
    mixed = shares[(shares > 0) & (shares < 1)]
    assert mixed.mean().item() == pytest.approx(0.5, abs=0.03)
    assert mixed.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.12)


def test_input_noise_has_its_standard_deviation_and_leaves_targets() -> None:
    x, y = torch.zeros(200, 100), torch.arange(200)
    noisy, same = make(Regularizer, "input_noise", std=0.3).transform(x, y, CLASSES, generator())
    assert noisy.std().item() == pytest.approx(0.3, rel=0.02)
    assert same is y


def test_soft_targets_of_a_regression_are_refused() -> None:
    with pytest.raises(ValueError, match="no classes"):
        make(Regularizer, "label_smoothing").transform(normal(3, 6), normal(3, 1), TARGETS, generator())


def image() -> tuple[Tensor, Tensor]:
    x = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    x[0, 0, 2, 5] = 1
    return x, x[:, 0].long()


def matrix(*rows: list[float]) -> Tensor:
    return torch.tensor([rows], dtype=torch.float64)


def test_a_shift_of_whole_pixels_moves_image_and_labels_alike() -> None:
    x, y = image()
    # two pixels down and one to the left: output (4, 4) is read from input (2, 5)
    moved, labels = affine(x, y, matrix([1, 0, 1 * 2 / 8], [0, 1, -2 * 2 / 8]))
    assert labels is not None
    assert moved[0, 0, 4, 4].item() == pytest.approx(1)
    assert moved.sum().item() == pytest.approx(1)
    assert labels.nonzero().tolist() == [[0, 4, 4]]


def test_a_quarter_turn_is_exact_and_keeps_the_power() -> None:
    x, y = image()
    moved, labels = affine(x, y, matrix([0, -1, 0], [1, 0, 0]))
    assert labels is not None
    torch.testing.assert_close(moved, torch.rot90(x, 1, (2, 3)), rtol=0, atol=1e-12)
    assert torch.equal(labels, torch.rot90(y, 1, (1, 2)))


def test_random_matrices_stay_in_their_ranges_and_hold_no_shear() -> None:
    x = torch.zeros(4000, 1, 8, 16, dtype=torch.float64)
    found = random_matrices(x, shift=2, rotate=30, scale=0.2, generator=generator())
    in_pixels = found * torch.tensor([16.0, 8.0]).view(1, 2, 1) / 2 / torch.tensor([8.0, 4.0, 1.0])
    turn = in_pixels[:, :, :2]
    factor = torch.linalg.det(turn).sqrt()
    angle = torch.rad2deg(torch.atan2(turn[:, 1, 0], turn[:, 0, 0]))
    torch.testing.assert_close(turn @ turn.mT, (factor**2).view(-1, 1, 1) * torch.eye(2).double(), rtol=0, atol=1e-9)
    for values, low, high in (
        (1 / factor, 0.8, 1.2),
        (angle, -30, 30),
        (in_pixels[:, 0, 2], -2, 2),
        (in_pixels[:, 1, 2], -2, 2),
    ):
        assert low <= values.min().item() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max().item() <= high


def test_augment_without_change_is_the_identity_and_needs_images() -> None:
    reg = make(Regularizer, "augment", shift=0.0, rotate=0.0, scale=0.0)
    x, y = normal(3, 1, 8, 8), torch.randint(5, (3, 8, 8), generator=generator())
    same, labels = reg.transform(x, y, PIXELS, generator())
    torch.testing.assert_close(same, x, rtol=0, atol=1e-12)
    assert torch.equal(labels, y)
    with pytest.raises(ValueError, match="reg=augment moves images"):
        reg.transform(normal(3, 6), y, TARGETS, generator())


@pytest.mark.parametrize("name", ["input_noise", "mixup", "augment"])
def test_changes_depend_on_the_given_generator_alone(name: str) -> None:
    reg, x, y = make(Regularizer, name), normal(4, 1, 8, 8), torch.tensor([0, 1, 2, 3])
    runs = [reg.transform(x, y, CLASSES, generator(seed))[0] for seed in (0, 0, 1)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert torch.equal(x, normal(4, 1, 8, 8))


@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("input_noise", "std", 0.0),
        ("label_smoothing", "epsilon", 1.0),
        ("mixup", "alpha", 0.0),
        ("augment", "shift", -1.0),
        ("augment", "scale", 1.0),
        ("augment", "noise", math.nan),
    ],
)
def test_values_out_of_range_are_refused(name: str, parameter: str, value: float) -> None:
    assert parameter in refusal(Regularizer, name, **{parameter: value})
