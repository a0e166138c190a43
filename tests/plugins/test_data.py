from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits
from torch import Tensor

from ablate.dataset import Splits, prepare
from ablate.techniques import Data, Task
from tests.helpers import make, refusal


@functools.cache
def loaded(name: str, seed: int = 0, **params: Any) -> Splits:
    return make(Data, name, **params).load(seed)


def keys(x: Tensor) -> list[bytes]:
    """Return the examples as values that can be compared and counted."""
    return [example.numpy().tobytes() for example in x]


@pytest.mark.parametrize(
    ("name", "params", "task", "example", "outputs", "counts"),
    [
        ("digits", {}, Task.classification, (1, 8, 8), 10, [1079, 359, 359]),
        ("digits_rows", {}, Task.classification, (8, 8), 10, [1079, 359, 359]),
        ("digits_rows", {"by": "pixels"}, Task.classification, (64, 1), 10, [1079, 359, 359]),
        ("digits_canvas", {}, Task.segmentation, (1, 24, 24), 11, [360, 120, 120]),
        ("digits_canvas", {"count": 50, "size": 30}, Task.segmentation, (1, 30, 30), 11, [30, 10, 10]),
        ("diabetes", {}, Task.regression, (10,), 1, [266, 88, 88]),
    ],
)
def test_shapes_and_splits(
    name: str, params: dict[str, Any], task: Task, example: tuple[int, ...], outputs: int, counts: list[int]
) -> None:
    dataset = prepare(make(Data, name, **params), seed=0)
    assert (dataset.spec.task, dataset.spec.input_shape, dataset.spec.outputs) == (task, example, outputs)
    assert [len(split.x) for split in dataset.splits] == counts
    for x, y in dataset.splits:
        assert x.dtype == torch.float32
        assert x.isfinite().all()
        if task is Task.regression:
            assert y.shape == (len(x), outputs)
            assert y.dtype == torch.float32
        else:
            assert y.shape == (len(x), *(example[1:] if task is Task.segmentation else ()))
            assert y.dtype == torch.int64
            assert 0 <= y.min() <= y.max() < outputs


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_every_example_is_in_one_split(name: str) -> None:
    splits = loaded(name)
    raw = load_digits().images[:, None] if name == "digits" else load_diabetes(scaled=False).data
    assert sorted(keys(torch.cat([s.x for s in splits]))) == sorted(keys(torch.tensor(raw, dtype=torch.float32)))


def test_targets_belong_to_their_examples() -> None:
    raw = load_digits()
    known = dict(zip(keys(torch.tensor(raw.images, dtype=torch.float32)), raw.target.tolist(), strict=True))
    for x, y in loaded("digits"):
        assert [known[key] for key in keys(x)] == y.tolist()
    table = load_diabetes(scaled=False)
    known = dict(zip(keys(torch.tensor(table.data, dtype=torch.float32)), table.target.tolist(), strict=True))
    for x, y in loaded("diabetes"):
        assert [known[key] for key in keys(x)] == y[:, 0].tolist()


@pytest.mark.parametrize("name", ["digits", "digits_rows", "digits_canvas", "diabetes"])
def test_the_seed_alone_decides_the_splits(name: str) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = make(Data, name).load(0)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    for again, other, split in zip(make(Data, name).load(0), make(Data, name).load(1), first, strict=True):
        assert torch.equal(again.x, split.x)
        assert torch.equal(again.y, split.y)
        assert not torch.equal(other.x, split.x)


@pytest.mark.parametrize(("by", "shape"), [("rows", (8, 8)), ("pixels", (64, 1))])
def test_rows_are_the_same_images_from_top_to_bottom(by: str, shape: tuple[int, int]) -> None:
    for image, row in zip(loaded("digits", seed=3), loaded("digits_rows", seed=3, by=by), strict=True):
        assert torch.equal(row.y, image.y)
        for n, step in [(0, 0), (5, 3), (7, 7)]:
            pixels = image.x[n, 0, step] if by == "rows" else image.x[n, 0, step, step : step + 1]
            assert torch.equal(row.x[n, step if by == "rows" else 9 * step], pixels)
        assert row.x.shape[1:] == shape


def test_canvases_of_one_digit_are_digits_of_their_own_split() -> None:
    # Such a canvas is exactly one image, so that a shared image would show.
    canvases = loaded("digits_canvas", size=8, digits=1)
    for split, own in zip(canvases, loaded("digits"), strict=True):
        known = dict(zip(keys(own.x), own.y.tolist(), strict=True))
        for key, x, y in zip(keys(split.x), split.x[:, 0], split.y, strict=True):
            assert torch.equal(y, torch.where(x > 0, 1 + known[key], 0))
    train, val, test = (set(keys(split.x)) for split in canvases)
    assert train.isdisjoint(val)
    assert train.isdisjoint(test)
    assert val.isdisjoint(test)


@pytest.mark.parametrize(("size", "digits"), [(24, 3), (24, 9), (30, 4), (23, 2), (8, 1)])
def test_labels_of_a_canvas_agree_with_its_ink(size: int, digits: int) -> None:
    side = size // (size // 8)  # each digit keeps to one cell of a grid
    for split in loaded("digits_canvas", count=20, size=size, digits=digits):
        assert torch.equal(split.y > 0, split.x[:, 0] > 0)
        for labels in split.y:
            cells = labels.unfold(0, side, side).unfold(1, side, side).reshape(-1, side * side)
            found = [set(cell[cell > 0].tolist()) for cell in cells]
            assert sum(map(bool, found)) == digits
            assert max(map(len, found)) == 1


def test_digits_of_a_canvas_lie_anywhere_in_their_cells() -> None:
    # Columns 8 and 9 of each cell of 10 have ink only where a digit is shifted.
    (train, _, _) = loaded("digits_canvas", count=100, size=30, digits=9)
    ink = (train.x[:, 0] > 0).float().mean(0).view(3, 10, 3, 10).mean((0, 2))
    assert ink[:, 8].sum() > 0
    assert ink[9].sum() > 0


@pytest.mark.parametrize("name", ["digits", "digits_rows", "digits_canvas", "diabetes"])
@pytest.mark.parametrize(("parameter", "value"), [("batch_size", 0), ("batch_size", -1), ("train_size", 1)])
def test_sizes_that_train_nothing_are_refused(name: str, parameter: str, value: int) -> None:
    assert f"{parameter} must be at least" in refusal(Data, name, **{parameter: value})


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"size": 7}, "size must be at least 8"),
        ({"count": 9}, "count must be at least 10"),
        ({"digits": 0}, "1 to 9 digits"),
        ({"digits": 10}, "1 to 9 digits"),
        ({"size": 31, "digits": 10}, "size 31 has room for 1 to 9 digits"),
    ],
)
def test_canvases_that_cannot_be_are_refused(params: dict[str, int], reason: str) -> None:
    assert reason in refusal(Data, "digits_canvas", **params)


def test_unknown_choices_are_refused_with_the_choices() -> None:
    assert "rows, pixels" in refusal(Data, "digits_rows", by="columns")
    assert "none, unit, standard" in refusal(Data, "digits", scale="minmax")
