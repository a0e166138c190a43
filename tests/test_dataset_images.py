"""Test images that are moved, and pixels that are permuted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ablate.dataset import Examples, Splits, loaded, prepare
from ablate.errors import ConfigError
from ablate.techniques import Data
from tests.given import images, prepared, same
from tests.helpers import Given, make


def places(before: Tensor, after: Tensor, most: int) -> tuple[int, int]:
    """Return by how much an image (C, H, W) moved; it has no zeros of its own."""
    height, width = before.shape[-2:]
    for down in range(-most, most + 1):
        for right in range(-most, most + 1):
            expected = torch.zeros_like(before)
            for row in range(height):
                for column in range(width):
                    if 0 <= row - down < height and 0 <= column - right < width:
                        expected[..., row, column] = before[..., row - down, column - right]
            if torch.equal(expected, after):
                return down, right
    raise AssertionError("not a move")


@pytest.mark.parametrize("labels", [0, 4])
def test_test_images_move_with_their_labels(labels: int) -> None:
    raw = images(labels, count=300)
    raw = Splits(*(Examples(s.x, s.y + 1 if labels else s.y) for s in raw))
    moved = prepared(raw, shift=2)
    assert same(moved.train, raw.train)
    assert same(moved.val, raw.val)
    found = [places(a, b, 2) for a, b in zip(raw.test.x, moved.test.x, strict=True)]
    assert set(found) == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}
    if labels:
        assert [places(a, b, 2) for a, b in zip(raw.test.y, moved.test.y, strict=True)] == found
    else:
        assert torch.equal(moved.test.y, raw.test.y)


def test_images_are_moved_before_they_are_scaled() -> None:
    raw = images()
    scaled = prepare(Given(splits=raw, shift=2), 0).splits.test.x
    shift = raw.train.x.mean((0, 2, 3))
    spread = raw.train.x.std((0, 2, 3), correction=0)
    zero = (-shift / spread).view(1, 2, 1, 1)
    filled = prepared(raw, shift=2).test.x == 0
    torch.testing.assert_close(scaled[filled], zero.expand_as(scaled)[filled])


def test_what_is_no_image_does_not_move() -> None:
    for name, shape in [("iris", r"\(4,\)"), ("digits_rows", r"\(8, 8\)")]:
        with pytest.raises(ConfigError, match=rf"data.shift=1 moves images.*{shape}"):
            prepare(make(Data, name, shift=1), 0)
    with pytest.raises(ConfigError, match="out of sight"):
        prepared(images(), shift=5)


@pytest.mark.parametrize("labels", [0, 4])
def test_pixels_of_all_images_are_permuted_alike(labels: int) -> None:
    raw, permuted = images(labels), prepared(images(labels), permute_pixels=True)
    order = [raw.train.x[0, 0].flatten().tolist().index(v) for v in permuted.train.x[0, 0].flatten().tolist()]
    assert order != list(range(30))
    assert sorted(order) == list(range(30))
    for before, after in zip(raw, permuted, strict=True):
        assert torch.equal(after.x.flatten(2), before.x.flatten(2)[:, :, order])
        if labels:
            assert torch.equal(after.y.flatten(1), before.y.flatten(1)[:, order])
        else:
            assert torch.equal(after.y, before.y)


def test_steps_of_a_sequence_are_permuted_alike() -> None:
    raw = loaded(make(Data, "digits_rows", scale="none"), 0)
    permuted = prepare(make(Data, "digits_rows", scale="none", permute_pixels=True), 0).splits
    rows = [row.tolist() for row in raw.train.x[0]]
    order = [rows.index(row.tolist()) for row in permuted.train.x[0]]
    for before, after in zip(raw, permuted, strict=True):
        assert sorted(order) == list(range(8))
        assert torch.equal(after.x, before.x[:, order])


def test_a_table_has_no_pixels() -> None:
    with pytest.raises(ConfigError, match="permute_pixels=true: the columns of a table"):
        prepare(make(Data, "iris", permute_pixels=True), 0)
