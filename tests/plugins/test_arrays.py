"""data=arrays: what an npz file holds, told by shapes; nothing pickled is read."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ablate_plugins.sources.arrays import Arrays

from ablate.dataset import loaded, prepare
from ablate.errors import ConfigError
from ablate.stored import in_memory
from ablate.techniques import Data, DataSpec, Task
from tests import own_data
from tests.helpers import make

DRAW = np.random.default_rng(0)
N = 20


def arrays(path: Path, **params: Any) -> Arrays:
    return make(Arrays, "arrays", path=str(path), **params)


def refused(data: Data) -> str:
    with pytest.raises(ConfigError) as caught:
        prepare(data, 0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def whole(*shape: int, most: int = 3) -> Any:
    return np.arange(np.prod(shape)).reshape(shape) % most


@pytest.mark.parametrize(
    ("x", "y", "params", "spec"),
    [
        ((N, 4), whole(N), {}, DataSpec(Task.classification, (4,), 3)),
        ((N, 4), whole(N) + 0.5, {}, DataSpec(Task.regression, (4,), 1)),
        ((N, 4), DRAW.normal(size=(N, 2)), {}, DataSpec(Task.regression, (4,), 2)),
        ((N, 4), whole(N), {"target_type": "numbers"}, DataSpec(Task.regression, (4,), 1)),
        ((N, 4), np.array(["b", "a"] * 10), {}, DataSpec(Task.classification, (4,), 2)),
        ((N, 7, 4), whole(N, 1), {}, DataSpec(Task.classification, (7, 4), 3)),
        ((N, 7), whole(N), {"layout": "sequences"}, DataSpec(Task.classification, (7, 1), 3)),
        ((N, 6, 5), whole(N), {"layout": "images"}, DataSpec(Task.classification, (1, 6, 5), 3)),
        ((N, 3, 6, 5), whole(N), {}, DataSpec(Task.classification, (3, 6, 5), 3)),
        ((N, 6, 5, 3), whole(N), {}, DataSpec(Task.classification, (3, 6, 5), 3)),
        ((N, 6, 5), whole(N, 6, 5), {}, DataSpec(Task.segmentation, (1, 6, 5), 3)),
        ((N, 2, 6, 5), whole(N, 6, 5), {}, DataSpec(Task.segmentation, (2, 6, 5), 3)),
        ((N, 6, 5, 8), whole(N, 6, 5), {}, DataSpec(Task.segmentation, (8, 6, 5), 3)),
        ((N, 9, 5, 4), whole(N, 5, 4), {}, DataSpec(Task.segmentation, (9, 5, 4), 3)),
    ],
)
def test_shapes_say_what_the_data_is(tmp_path: Path, x: Any, y: Any, params: dict[str, Any], spec: DataSpec) -> None:
    data = arrays(own_data.npz(tmp_path, x=DRAW.normal(size=x), y=y), **params)
    assert prepare(data, 0).spec == spec
    assert data.task is spec.task


def test_every_example_is_there_once_with_its_own_target(tmp_path: Path) -> None:
    x, y = DRAW.normal(size=(50, 6, 5, 3)), np.arange(50) * 10 % 30
    splits = loaded(arrays(own_data.npz(tmp_path, x=x, y=y)), 0)
    got = torch.cat([in_memory(split.x) for split in splits])
    order = [int((got == row).flatten(1).all(1).nonzero()) for row in torch.from_numpy(x.transpose(0, 3, 1, 2)).float()]
    assert sorted(order) == list(range(50))
    classes = torch.cat([split.y for split in splits])[order]
    assert classes.tolist() == [value // 10 for value in y.tolist()]


def test_the_file_may_say_the_splits(tmp_path: Path) -> None:
    split = np.array(["train"] * 10 + ["val"] * 6 + ["test"] * 4)
    one = loaded(arrays(own_data.npz(tmp_path, x=np.arange(N)[:, None], y=whole(N), split=split)), 0)
    assert [sorted(in_memory(part.x).flatten().tolist()) for part in one] == [
        [*range(10)],
        [*range(10, 16)],
        [*range(16, 20)],
    ]
    rows = np.arange(N)[:, None]
    parts = {"x_train": rows, "y_train": whole(N), "x_test": rows + N, "y_test": whole(N)}
    two = loaded(arrays(own_data.npz(tmp_path, "parts.npz", **parts)), 0)
    assert [len(part.x) for part in two] == [16, 4, 20]
    assert sorted(in_memory(two.test.x).flatten().tolist()) == [*range(N, 2 * N)]


def test_a_packed_file_is_read_alike(tmp_path: Path) -> None:
    x, y = DRAW.normal(size=(N, 4)), whole(N)
    np.savez_compressed(tmp_path / "packed.npz", x=x, y=y)
    a, b = (loaded(arrays(path), 0).train for path in (tmp_path / "packed.npz", own_data.npz(tmp_path, x=x, y=y)))
    assert torch.equal(in_memory(a.x), in_memory(b.x))


class Bomb:
    """What a pickle may do when it is read."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("ran",)


def test_a_pickled_array_is_refused_and_not_run(tmp_path: Path) -> None:
    path = own_data.npz(tmp_path, x=DRAW.normal(size=(N, 4)), y=np.array([Bomb()] * N, dtype=object))
    assert "could run code when it is read and is refused" in refused(arrays(path))
    assert not Path("ran").exists()


def test_a_member_cannot_leave_its_folder(tmp_path: Path) -> None:
    path = own_data.npz(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../escaped.npy", b"x")
    prepare(arrays(path), 0)
    assert not list(tmp_path.parent.rglob("escaped.npy"))


PARTS = {"x_train": whole(N, 4), "y_train": whole(N), "x_test": whole(N, 4), "y_test": whole(N)}


def test_splits_of_different_types_keep_their_numbers(tmp_path: Path) -> None:
    small, x = np.arange(4 * N, dtype=np.uint8).reshape(N, 4), DRAW.normal(size=(N, 4))
    splits = loaded(arrays(own_data.npz(tmp_path, **PARTS | {"x_train": small, "x_test": x})), 0)
    assert sorted(in_memory(splits.test.x).tolist()) == sorted(x.tolist())
    assert splits.train.x.dtype == torch.float64


def test_bytes_are_words(tmp_path: Path) -> None:
    split = np.array([b"train"] * 16 + [b"test"] * 4)
    data = arrays(own_data.npz(tmp_path, x=whole(N, 4), y=np.array([b"a", "\xe9".encode()] * 10), split=split))
    assert [len(part.x) for part in loaded(data, 0)] == [13, 3, 4]
    origin = data.origin()
    assert origin is not None
    assert origin.classes == ("a", "\xe9")


@pytest.mark.parametrize(
    ("given", "params", "said"),
    [
        ({"a": whole(N)}, {}, "has the arrays a. It needs x and y"),
        ({"x": whole(N, 4), "y": whole(N - 1)}, {}, "one target for each example"),
        ({"x": whole(N, 4), "y": np.zeros(N, int)}, {}, "one class only, 0"),
        ({"x": whole(N, 4), "y": np.arange(N)}, {}, "too many for classes"),
        ({"x": whole(N, 4) * 1j, "y": whole(N)}, {}, "x holds complex128"),
        ({"x": whole(N, 2, 2, 2, 2), "y": whole(N)}, {}, "has the shape (2, 2, 2, 2)"),
        ({"x": whole(N, 4), "y": whole(N)}, {"layout": "images"}, "data.layout=images"),
        ({"x": whole(N, 6, 5), "y": whole(N, 5, 5)}, {}, "labels (5, 5) pixels"),
        ({"x": whole(N, 4), "y": np.array(["a", "b"] * 10)}, {"target_type": "numbers"}, "y holds words"),
        ({"x": whole(N, 4), "y": whole(N), "split": np.array(["later"] * N)}, {}, "split says 'later'"),
        ({"x": whole(3, 4), "y": whole(3, most=2)}, {}, "3 examples are too few"),
        ({"x": np.empty((0, 4)), "y": np.empty(0)}, {}, "has no examples"),
        ({"x": np.empty((N, 0)), "y": whole(N)}, {}, "there is nothing in an example"),
        ({"x": whole(N, 4), "y": whole(N), "split": np.arange(N) % 4}, {}, "split says '3'"),
        (
            {"x": whole(N, 4), "y": whole(N), "split": np.array([b"tr\xe4in"] * N)},
            {},
            "split says 'tr",
        ),
        ({"x": whole(N, 4), "y": whole(N), "x_test": whole(N, 4)}, {}, "has the arrays x and y beside x_test"),
        ({"x": whole(N, 4), "y": np.full(N, 0.5)}, {}, "one value only, 0.5"),
        ({"x": whole(N, 4), "y": np.where(whole(N), 1.0, np.nan)}, {"target_type": "classes"}, "NaN or infinity"),
        ({"x": whole(N, 6, 5), "y": whole(N, 6, 5)}, {"target_type": "numbers"}, "labels of pixels"),
        (PARTS | {"y_test": whole(N, 1)}, {}, "targets of () and (1,) cannot be mixed"),
        (PARTS | {"x_test": whole(N, 5)}, {}, "examples of (4,) and (5,) cannot be mixed"),
        (PARTS | {"y_test": np.array(["a", "b"] * 10)}, {}, "words in one split and numbers in another"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    tmp_path: Path, given: dict[str, Any], params: dict[str, Any], said: str
) -> None:
    assert said in refused(arrays(own_data.npz(tmp_path, **given), **params))


def test_what_is_no_npz_is_one_sentence(tmp_path: Path) -> None:
    assert "no npz file that can be read" in refused(arrays(own_data.csv(tmp_path)))
    assert "is a folder: data=arrays reads an npz file" in refused(arrays(tmp_path))
