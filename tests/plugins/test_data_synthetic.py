"""The data sets that are made up: every example has the target that its definition gives it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from ablate import dataset
from ablate.dataset import Splits
from ablate.techniques import Data
from tests.helpers import make, refusal


def loaded(name: str, seed: int = 0, **params: Any) -> Splits:
    return dataset.loaded(make(Data, name, **params), seed)


def polar(points: Tensor) -> tuple[Tensor, Tensor]:
    return points.norm(dim=-1), torch.atan2(points[..., 1], points[..., 0])


def off_circle(angle: Tensor) -> Tensor:
    """Return how far an angle is from a whole number of turns, in turns."""
    turns = angle / (2 * math.pi)
    return (turns - turns.round()).abs()


@pytest.mark.parametrize(
    "name",
    ["spirals", "rings", "gaussians", "point_sets", "rare_features", "adding", "copy", "offset_xor", "channel_xor"],
)
def test_splits_share_no_example(name: str) -> None:
    params = {"copy": {"bits": 20, "count": 50}}.get(name, {})
    train, val, test = ({x.numpy().tobytes() for x in split.x} for split in loaded(name, **params))
    assert not train & val
    assert not train & test
    assert not val & test


@pytest.mark.parametrize(
    ("name", "params"),
    [("spirals", {}), ("spirals", {"classes": 3}), ("rings", {}), ("gaussians", {"modes": 3}), ("recall", {})],
)
def test_classes_are_balanced_and_mixed(name: str, params: dict[str, int]) -> None:
    for _, y in loaded(name, **params):
        counts = torch.bincount(y)
        assert counts.max() - counts.min() <= 1
        assert len(set(y[:20].tolist())) == len(counts)


def test_gaussians_stand_around_places_on_a_circle() -> None:
    for x, y in loaded("gaussians", modes=5, noise=0.0, count=100):
        radius, angle = polar(x)
        torch.testing.assert_close(radius, torch.ones(len(x)))
        assert off_circle(angle - 2 * math.pi * y / 5).max() < 1e-6
    x, y = loaded("gaussians", noise=0.1, count=20000).train
    places = loaded("gaussians", noise=0.0, count=20000).train
    assert torch.equal(y, places.y)
    assert float((x - places.x).std()) == pytest.approx(0.1, rel=0.02)
    assert "modes must be at least 2" in refusal(Data, "gaussians", modes=1)


@pytest.mark.parametrize(("classes", "turns"), [(2, 1.0), (3, 0.5), (2, 3.0)])
def test_spirals_turn_with_the_radius(classes: int, turns: float) -> None:
    for x, y in loaded("spirals", classes=classes, turns=turns, noise=0.0):
        radius, angle = polar(x)
        assert radius.max() <= 1
        assert radius.max() > 0.95
        assert radius.min() < 0.05
        assert off_circle(angle - 2 * math.pi * (turns * radius + y / classes)).max() < 1e-4


@pytest.mark.parametrize("classes", [2, 3])
def test_rings_have_a_radius_a_class(classes: int) -> None:
    for x, y in loaded("rings", classes=classes, noise=0.0):
        radius, angle = polar(x)
        torch.testing.assert_close(radius, (y + 1) / classes)
        assert angle.min() < -3
        assert angle.max() > 3


@pytest.mark.parametrize("name", ["spirals", "rings", "point_sets"])
def test_noise_blurs_each_coordinate(name: str) -> None:
    clean, noisy = (loaded(name, noise=noise, count=5000).train for noise in (0.0, 0.3))
    assert torch.equal(clean.y, noisy.y)
    blur = noisy.x - clean.x
    assert blur.std().item() == pytest.approx(0.3, rel=0.05)
    assert blur.flatten(0, -2).std(0).tolist() == pytest.approx([0.3, 0.3], rel=0.05)


def outline(shape: int, points: Tensor) -> Tensor:
    """Return how far points (K, 2) of one unturned shape are from its outline."""
    if shape == 0:
        beyond: Tensor = points.norm(dim=1) - 1
        return beyond.abs()
    if shape == 3:
        return torch.minimum(points[:, 0].abs(), points[:, 1].abs())
    corners = 3 if shape == 1 else 4
    middle = 2 * math.pi * (torch.arange(corners) + 0.5) / corners  # directions of the sides
    reach = points @ torch.stack((middle.cos(), middle.sin()))  # (K, sides)
    off: Tensor = (reach.amax(1) - math.cos(math.pi / corners)).abs()
    return off


def test_point_sets_lie_on_turned_outlines() -> None:
    angles = torch.linspace(0, 2 * math.pi, 1441)
    found = set()
    for x, y in loaded("point_sets", noise=0.0, count=60, points=40):
        for points, shape in zip(x, y.tolist(), strict=True):
            assert points.norm(dim=1).max() <= 1 + 1e-5
            if shape == 0:
                assert outline(0, points).max() < 1e-5
                continue
            # One of many small turns brings the outline back.
            cos, sin = angles.cos(), angles.sin()
            turns = torch.stack((torch.stack((cos, -sin), -1), torch.stack((sin, cos), -1)), -2)  # (angles, 2, 2)
            off = torch.stack([outline(shape, points @ turn).max() for turn in turns])
            assert off.min() < 0.01
            found.add(shape)
    assert found == {1, 2, 3}


def test_parity_is_the_whole_table() -> None:
    train, val, test = loaded("parity", n=3, repeats=5)
    table = {bits: sum(bits) % 2 for bits in itertools.product((0, 1), repeat=3)}
    for split in (val, test):
        assert list(zip(map(tuple, split.x.tolist()), split.y.tolist(), strict=True)) == list(table.items())
    assert torch.equal(train.x, val.x.repeat(5, 1))
    assert torch.equal(train.y, val.y.repeat(5))


def test_tables_do_not_change_with_the_seed() -> None:
    for name in ("parity", "boolean"):
        for a, b in zip(loaded(name, seed=0), loaded(name, seed=1), strict=True):
            assert torch.equal(a.x, b.x)
            assert torch.equal(a.y, b.y)


def test_boolean_functions_are_many_and_never_constant() -> None:
    functions = [tuple(loaded("boolean", n=2, function=number).val.y.tolist()) for number in range(200)]
    assert len(set(functions)) == 14  # of 16, without the two constants
    share = torch.tensor([loaded("boolean", n=8, function=number).val.y.float().mean() for number in range(30)])
    assert share.mean().item() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("length", [2, 7, 40])
def test_adding_adds_one_number_of_each_half(length: int) -> None:
    places = set()
    for x, y in loaded("adding", length=length, count=500):
        assert 0 <= x[..., 0].min() <= x[..., 0].max() < 1
        for steps, total in zip(x.tolist(), y[:, 0].tolist(), strict=True):
            first, second = (t for t, (_, mark) in enumerate(steps) if mark == 1)
            assert first < length // 2 <= second
            assert {mark for _, mark in steps} <= {0, 1}
            assert total == pytest.approx(steps[first][0] + steps[second][0], abs=1e-6)
            places |= {first, second}
    assert places == set(range(length))


def test_copy_says_the_bits_first() -> None:
    for x, y in loaded("copy", length=6, bits=3, count=100):
        assert torch.equal(x[:, :3, 0], y)
        assert (x[:, :3, 1] == 1).all()
        assert (x[:, 3:] == 0).all()
        assert {tuple(row) for row in y.tolist()} == set(itertools.product((0.0, 1.0), repeat=3))


@pytest.mark.parametrize("distractors", [False, True])
def test_recall_asks_for_the_first_symbol(distractors: bool) -> None:
    for x, y in loaded("recall", length=5, symbols=3, count=200, distractors=distractors):
        assert torch.equal(x[:, 0].argmax(1), y)
        assert (x[:, 0].sum(1) == 1).all()
        assert (x[:, 1:].sum(2) == (1 if distractors else 0)).all()
        if distractors:
            assert set(x[:, 1:].argmax(2).flatten().tolist()) == {0, 1, 2}


@pytest.mark.parametrize(("size", "offset"), [(16, 6), (5, 4), (8, 1)])
def test_offset_xor_looks_to_the_right(size: int, offset: int) -> None:
    for x, y in loaded("offset_xor", size=size, offset=offset, count=20):
        bits = x[:, 0].int().tolist()
        for image, labels in zip(bits, y.tolist(), strict=True):
            for row, label in zip(image, labels, strict=True):
                beyond = [*row, *[0] * offset]
                assert label == [beyond[p] ^ beyond[p + offset] for p in range(size)]
        assert x.mean().item() == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("channels", [2, 3])
def test_channel_xor_stays_in_its_pixel(channels: int) -> None:
    for split in loaded("channel_xor", channels=channels, size=6, count=20):
        expected = torch.zeros_like(split.y)
        for channel in range(channels):
            expected ^= split.x[:, channel].long()
        assert torch.equal(split.y, expected)


def test_rare_features_are_zero_as_often_as_said_and_worth_the_same() -> None:
    x, y = loaded("rare_features", count=100_000, features=3, rarest=0.04).train
    there = (x != 0).double().mean(0)
    torch.testing.assert_close(there, torch.tensor([1.0, 0.2, 0.04], dtype=torch.float64), rtol=0.1, atol=0)
    weights = torch.linalg.lstsq(x.double(), y.double()).solution[:, 0]
    worth = weights**2 * x.double().var(0)  # what each explains of the target's variance, 0.9 in all
    torch.testing.assert_close(worth, torch.full((3,), 0.3, dtype=torch.float64), rtol=0.1, atol=0)
    assert y.var().item() == pytest.approx(1, abs=0.05)


def test_rare_features_have_the_same_weights_in_every_split() -> None:
    found = [torch.linalg.lstsq(x, y).solution for x, y in loaded("rare_features", features=5, rarest=1.0)]
    torch.testing.assert_close(found[1], found[0], atol=0.1, rtol=0)
    torch.testing.assert_close(found[2], found[0], atol=0.1, rtol=0)
    assert not (loaded("rare_features", features=5, rarest=1.0).train.x == 0).any()


def test_placed_digits_are_numbered_as_they_are_named() -> None:
    every = loaded("digits_placed")
    some = loaded("digits_placed", digits=[7, 3])
    for whole, part in zip(every, some, strict=True):
        for number, digit in enumerate((7, 3)):
            assert torch.equal(part.x[part.y == number], whole.x[whole.y == digit])


@pytest.mark.parametrize(
    ("name", "params", "reason"),
    [
        ("digits_placed", {"digits": [1, 1]}, "digits must be two or more different ones of 0 to 9"),
        ("digits_placed", {"digits": [4]}, "digits must be two or more different ones of 0 to 9"),
        ("digits_placed", {"digits": [4, 10]}, "digits must be two or more different ones of 0 to 9"),
        ("rare_features", {"rarest": 0.0}, "rarest must be above 0 and at most 1"),
        ("rare_features", {"rarest": 1.5}, "rarest must be above 0 and at most 1"),
        ("rare_features", {"features": 1}, "features must be at least 2"),
        ("spirals", {"count": 9}, "count must be at least 10"),
        ("spirals", {"classes": 1}, "classes must be at least 2"),
        ("spirals", {"noise": -0.1}, "noise must not be negative"),
        ("spirals", {"turns": math.nan}, "turns must not be negative"),
        ("rings", {"classes": 1}, "classes must be at least 2"),
        ("rings", {"noise": math.inf}, "noise must not be negative"),
        ("point_sets", {"points": 2}, "points must be at least 3"),
        ("point_sets", {"noise": -1}, "noise must not be negative"),
        ("parity", {"n": 0}, "n must be at least 1"),
        ("parity", {"n": 17}, "n must be at most 16"),
        ("boolean", {"repeats": 0}, "repeats must be at least 1"),
        ("boolean", {"function": -1}, "function must be at least 0"),
        ("adding", {"length": 1}, "length must be at least 2"),
        ("copy", {"length": -1}, "length must be at least 0"),
        ("copy", {"bits": 0}, "bits must be at least 1"),
        ("recall", {"symbols": 1}, "symbols must be at least 2"),
        ("recall", {"length": -1}, "length must be at least 0"),
        ("offset_xor", {"offset": 0}, "offset must be at least 1"),
        ("offset_xor", {"offset": 6, "size": 6}, "size must be at least 7"),
        ("channel_xor", {"channels": 1}, "channels must be at least 2"),
        ("channel_xor", {"size": 0}, "size must be at least 1"),
    ],
)
def test_data_that_cannot_be_are_refused(name: str, params: dict[str, Any], reason: str) -> None:
    assert reason in refusal(Data, name, **params)
