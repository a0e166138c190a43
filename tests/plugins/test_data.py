from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from torch import Tensor

from ablate import dataset
from ablate.dataset import Splits, prepare
from ablate.techniques import Data, Task
from tests.helpers import make, refusal


@functools.cache
def loaded(name: str, seed: int = 0, **params: Any) -> Splits:
    return dataset.loaded(make(Data, name, **params), seed)


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
        ("digits_placed", {}, Task.classification, (1, 16, 16), 10, [1079, 359, 359]),
        ("digits_placed", {"size": 9}, Task.classification, (1, 9, 9), 10, [1079, 359, 359]),
        ("digits_placed", {"digits": [7, 3]}, Task.classification, (1, 16, 16), 2, [220, 64, 78]),
        ("diabetes", {}, Task.regression, (10,), 1, [266, 88, 88]),
        ("breast_cancer", {}, Task.classification, (30,), 2, [343, 113, 113]),
        ("wine", {}, Task.classification, (13,), 3, [108, 35, 35]),
        ("iris", {}, Task.classification, (4,), 3, [90, 30, 30]),
        ("spirals", {}, Task.classification, (2,), 2, [600, 200, 200]),
        ("spirals", {"classes": 3, "count": 52}, Task.classification, (2,), 3, [32, 10, 10]),
        ("rings", {}, Task.classification, (2,), 2, [600, 200, 200]),
        ("gaussians", {"modes": 4, "count": 100}, Task.classification, (2,), 4, [60, 20, 20]),
        ("rings", {"classes": 4, "count": 100}, Task.classification, (2,), 4, [60, 20, 20]),
        ("point_sets", {}, Task.classification, (32, 2), 4, [600, 200, 200]),
        ("point_sets", {"points": 5, "count": 20}, Task.classification, (5, 2), 4, [12, 4, 4]),
        ("parity", {}, Task.classification, (4,), 2, [512, 16, 16]),
        ("parity", {"n": 1, "repeats": 1}, Task.classification, (1,), 2, [2, 2, 2]),
        ("boolean", {"n": 6, "repeats": 2}, Task.classification, (6,), 2, [128, 64, 64]),
        ("rare_features", {}, Task.regression, (50,), 1, [1200, 400, 400]),
        ("adding", {}, Task.regression, (40, 2), 1, [600, 200, 200]),
        ("adding", {"length": 2, "count": 10}, Task.regression, (2, 2), 1, [6, 2, 2]),
        ("copy", {}, Task.regression, (24, 2), 4, [600, 200, 200]),
        ("copy", {"length": 0, "bits": 3, "count": 40}, Task.regression, (3, 2), 3, [24, 8, 8]),
        ("recall", {}, Task.classification, (21, 4), 4, [600, 200, 200]),
        ("recall", {"length": 0, "symbols": 2, "count": 20}, Task.classification, (1, 2), 2, [12, 4, 4]),
        ("offset_xor", {}, Task.segmentation, (1, 16, 16), 2, [300, 100, 100]),
        ("channel_xor", {}, Task.segmentation, (2, 16, 16), 2, [300, 100, 100]),
        ("channel_xor", {"channels": 3, "size": 5, "count": 20}, Task.segmentation, (3, 5, 5), 2, [12, 4, 4]),
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


RAW: dict[str, Callable[[], Any]] = {
    "digits": lambda: (load_digits().images[:, None], load_digits().target),
    "diabetes": lambda: (load_diabetes(scaled=False).data, load_diabetes(scaled=False).target),
    "breast_cancer": lambda: load_breast_cancer(return_X_y=True),
    "wine": lambda: load_wine(return_X_y=True),
    "iris": lambda: load_iris(return_X_y=True),
}


@pytest.mark.parametrize("name", RAW)
def test_every_example_is_in_one_split(name: str) -> None:
    splits = loaded(name)
    raw, _ = RAW[name]()
    assert sorted(keys(torch.cat([s.x for s in splits]))) == sorted(keys(torch.tensor(raw, dtype=torch.float32)))


@pytest.mark.parametrize("name", RAW)
def test_targets_belong_to_their_examples(name: str) -> None:
    x, y = RAW[name]()
    known = dict(zip(keys(torch.tensor(x, dtype=torch.float32)), y.tolist(), strict=True))
    for split in loaded(name):
        assert [known[key] for key in keys(split.x)] == split.y.flatten().tolist()


DRAWN = [
    "spirals",
    "rings",
    "gaussians",
    "point_sets",
    "rare_features",
    "adding",
    "copy",
    "recall",
    "offset_xor",
    "channel_xor",
]


@pytest.mark.parametrize("name", [*RAW, "digits_rows", "digits_canvas", "digits_placed", *DRAWN])
def test_the_seed_alone_decides_the_splits(name: str) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = dataset.loaded(make(Data, name), 0)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    for again, other, split in zip(
        dataset.loaded(make(Data, name), 0), dataset.loaded(make(Data, name), 1), first, strict=True
    ):
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


def test_a_placed_digit_is_the_digit_of_its_split_and_nothing_else() -> None:
    for split, own in zip(loaded("digits_placed", size=12), loaded("digits"), strict=True):
        assert torch.equal(split.y, own.y)
        windows = split.x.unfold(2, 8, 1).unfold(3, 8, 1)  # (N, 1, 5, 5, 8, 8)
        there = (windows == own.x[:, :, None, None]).flatten(4).all(-1)
        assert bool(there.flatten(1).any(1).all())
        assert torch.equal(split.x.sum((1, 2, 3)), own.x.sum((1, 2, 3)))
    places = loaded("digits_placed", size=12).train.x.amax(1).amax(2).argmax(1)
    assert places.unique().numel() > 4


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


@pytest.mark.parametrize("name", [*RAW, "digits_rows", "digits_canvas", *DRAWN, "parity", "boolean"])
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
