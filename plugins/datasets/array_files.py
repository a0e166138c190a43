"""Arrays of an npz file as a collection: unpacked without running anything of it, and told apart by their shapes.

Shapes: N examples · F features · T time · C channels · H, W height and width · K targets.
"""

from __future__ import annotations

import functools
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ablate.errors import ConfigError
from ablate.techniques import Task

from .collection import Collection, kept, listed, new_array, opened
from .splitting import NAMES

PARTS = ("train", "val", "test")
_CHUNK = 4096


def arrays(path: Path, content: str, reading: Mapping[str, Any]) -> Collection:
    """Return the arrays in an npz file."""
    return _arrays(path, content, json.dumps(dict(reading), sort_keys=True))


@functools.lru_cache(maxsize=8)
def _arrays(path: Path, content: str, reading: str) -> Collection:
    settings = json.loads(reading)
    return opened(kept(f"arrays {path.name}", content, settings, lambda where: _write(where, path, settings)))


def _write(folder: Path, path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"data.path={path.name} is a folder: data=arrays reads an npz file. Images are data=images.")
    members = _unpack(path, folder)
    names = [name for name in PARTS if f"x_{name}" in members]
    if names and (twice := [name for name in ("x", "y", "split") if name in members]):
        raise ConfigError(
            f"{path.name} has the arrays {' and '.join(twice)} beside x_{names[0]}: which are meant? Save x and y (and "
            "split), or x_train, y_train and so on."
        )
    if "x" in members and "y" in members:
        pairs = [(members["x"], members["y"])]
    elif "train" in names and all(f"y_{name}" in members for name in names):
        pairs = [(members[f"x_{name}"], members[f"y_{name}"]) for name in names]
    else:
        raise ConfigError(
            f"{path.name} has the arrays {listed(sorted(members)) or 'none'}. It needs x and y, or x_train and y_train "
            "(and x_val, y_val, x_test, y_test)."
        )
    for x, y in pairs:
        if not x.ndim or not y.ndim or len(x) != len(y):
            raise ConfigError(f"{path.name}: x has the shape {x.shape} and y {y.shape}: one target for each example.")
    for what, parts in zip(("examples", "targets"), zip(*pairs, strict=True), strict=True):
        if shapes := {part.shape[1:] for part in parts} - {parts[0].shape[1:]}:
            raise ConfigError(f"{path.name}: {what} of {parts[0].shape[1:]} and {shapes.pop()} cannot be mixed.")
    if 0 in pairs[0][0].shape[1:]:
        raise ConfigError(f"{path.name}: x has the shape {pairs[0][0].shape}: there is nothing in an example.")
    count = sum(len(x) for x, _ in pairs)
    if not count:
        raise ConfigError(f"{path.name} has no examples: x has the shape {pairs[0][0].shape}.")
    given = None
    if len(pairs) > 1 or "x_train" in members:
        given = np.concatenate(
            [np.full(len(x), NAMES[name], np.int8) for name, (x, _) in zip(names, pairs, strict=True)]
        )
    elif "split" in members:
        given = _given(members["split"], count, path.name)
    if given is not None:
        np.save(folder / "split.npy", given)
    task, classes = targets(folder, [y for _, y in pairs], pairs[0][0], settings["target_type"], path.name)
    labelled = pairs[0][1].shape[1:] if task is Task.segmentation else None
    shape, order = _layout(pairs[0][0], settings["layout"], labelled, path.name)
    _inputs(folder, [x for x, _ in pairs], count, shape, order, path.name)
    for member in members:
        (folder / f"raw-{member}.npy").unlink()
    what = f" of {len(classes)} classes ({listed(classes, 6)})" if classes else ""
    sentences = [
        f"{path.name}: {count:,} {described(shape)}, {task.value}{what}.",
        "Split as the file says." if given is not None else "Split by the seed.",
    ]
    return {"task": task.value, "classes": classes, "sentences": sentences}


def _unpack(path: Path, folder: Path) -> dict[str, Any]:
    """Return the arrays of an npz file by name, each in a file of its own; raise ``ConfigError`` for a pickled one."""
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            wanted = ["x", "y", "split", *(f"{side}_{name}" for side in "xy" for name in PARTS)]
            infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            size = sum(infos[name].file_size for name in wanted if name in infos)
            if (free := shutil.disk_usage(folder).free) < 2 * size:
                raise OSError(f"unpacked it takes {2 * size / 2**30:.1f} GB, and {free / 2**30:.1f} are free")
            for name in wanted:
                if name in infos:
                    with archive.open(infos[name]) as packed, (folder / f"raw-{name}.npy").open("wb") as plain:
                        shutil.copyfileobj(packed, plain, 2**22)
                    found[name] = np.load(folder / f"raw-{name}.npy", mmap_mode="r", allow_pickle=False)
            if not found:
                return {name: np.empty(0) for name in infos}
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        if "allow_pickle" in reason or "Object arrays" in reason or "Python objects" in reason:
            raise ConfigError(
                f"{path.name} has a pickled array (of objects), which could run code when it is read and is refused. "
                "Save plain numbers or words: np.savez(…, y=np.array(list(y)))."
            ) from error
        raise ConfigError(f"{path.name} is no npz file that can be read: {reason}. np.savez writes one.") from error
    return found


def _given(said: Any, count: int, named: str) -> Any:
    """Return 0, 1 or 2 for each example."""
    if said.shape != (count,):
        raise ConfigError(f"{named}: split has the shape {said.shape}, but there are {count} examples.")
    numbers = NAMES | {"0": 0, "1": 1, "2": 2}
    words = [_word(value).lower() for value in said.tolist()]
    if unknown := sorted(set(words) - set(numbers)):
        raise ConfigError(f"{named}: split says '{unknown[0]}'. It has to say train, val or test, or 0, 1 or 2.")
    return np.array([numbers[word] for word in words], np.int8)


def _word(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def described(shape: tuple[int, ...]) -> str:
    """Return what examples of a shape are, in words."""
    if len(shape) == 3:
        return f"images of {shape[1]}×{shape[2]} pixels, {shape[0]} channel{'s' * (shape[0] > 1)}"
    return f"rows of {shape[0]} features" if len(shape) == 1 else f"sequences of {shape[0]} steps, {shape[1]} features"


def targets(folder: Path, parts: Sequence[Any], x: Any, asked: str, named: str) -> tuple[Task, list[str]]:
    """Keep the targets; return the task and its classes."""
    first = parts[0]
    if first.dtype.kind not in "biufUS":
        raise ConfigError(f"{named}: y holds {first.dtype}; it has to hold numbers or words.")
    if len({part.dtype.kind in "US" for part in parts}) > 1:
        raise ConfigError(f"{named}: y holds words in one split and numbers in another.")
    if first.ndim == 3:
        if asked == "numbers":
            raise ConfigError(f"data.target_type=numbers: y of {named} has the shape {first.shape}, labels of pixels.")
        return Task.segmentation, _pixel_labels(folder, parts, x, named)
    if first.ndim > 2:
        raise ConfigError(
            f"{named}: y has the shape {first.shape}. Classes are (N,), numbers (N,) or (N, K), pixel labels (N, H, W)."
        )
    y = np.concatenate([np.asarray(part) for part in parts])
    column = y.ndim == 2 and y.shape[1] == 1
    words = y.dtype.kind in "US"
    floats = y.dtype.kind == "f" or (y.ndim == 2 and not column)
    if asked == "numbers" or (asked == "auto" and floats and not words):
        if words:
            raise ConfigError(
                f"{named}: y holds words, such as '{y.flat[0]}', no numbers. Drop data.target_type=numbers."
            )
        numbers = y.reshape(len(y), -1).astype(np.float64)
        if (numbers == numbers[:1]).all(0).any():
            raise ConfigError(f"{named}: y has one value only, {numbers[0, 0]:g}: there is nothing to learn.")
        np.save(folder / "y.npy", numbers)
        return Task.regression, []
    if y.ndim == 2 and not column:
        raise ConfigError(f"{named}: y has the shape {y.shape}. Classes are one number an example, (N,).")
    flat = y.reshape(len(y))
    if flat.dtype.kind == "f" and not np.isfinite(flat).all():
        raise ConfigError(f"{named}: y has NaN or infinity, which are no classes. Leave such examples out.")
    values, codes = np.unique(flat, return_inverse=True)
    if len(values) < 2:
        raise ConfigError(f"{named}: y has one class only, {values[0]}: there is nothing to learn.")
    if len(values) > max(2, len(flat) // 2):
        raise ConfigError(
            f"{named}: y has {len(values)} different values in {len(flat)} examples, too many for classes. Save y as "
            "floats, or write data.target_type=numbers."
        )
    np.save(folder / "y.npy", codes.astype(np.int64))
    return Task.classification, [_word(value) for value in values.tolist()]


def _pixel_labels(folder: Path, parts: Sequence[Any], x: Any, named: str) -> list[str]:
    """Keep the labels of pixels (N, H, W), counted from 0; return what they stand for."""
    if parts[0].dtype.kind not in "biu":
        raise ConfigError(f"{named}: y has the shape {parts[0].shape}, labels of pixels, but holds {parts[0].dtype}.")
    sizes = (x.shape[1:], x.shape[2:], x.shape[1:3])
    if parts[0].shape[1:] not in sizes:
        raise ConfigError(f"{named}: y labels {parts[0].shape[1:]} pixels, but an example of x is {x.shape[1:]}.")
    values = sorted({v for part in parts for i in range(0, len(part), _CHUNK) for v in np.unique(part[i : i + _CHUNK])})
    if not 1 < len(values) <= 256:
        raise ConfigError(f"{named}: y has {len(values)} different labels of pixels. There have to be 2 to 256.")
    whole = new_array(folder, "y", (sum(map(len, parts)), *parts[0].shape[1:]), np.uint8)
    first = 0
    for part in parts:
        for i in range(0, len(part), _CHUNK):
            own = np.searchsorted(values, part[i : i + _CHUNK])
            whole[first : first + len(own)] = own
            first += len(own)
    whole.flush()
    return [str(value) for value in values]


def _layout(
    x: Any, asked: str, labelled: tuple[int, ...] | None, named: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape of one example as networks take it, and the order of the dims that gives it; -1 is a new one.

    ``labelled`` is the size (H, W) of the labels of pixels, if such are the targets.
    """
    dims, own = x.ndim - 1, x.shape[1:]
    wanted = {"rows": (0, 1), "sequences": (1, 2), "images": (2, 3), "images_last": (3,)}
    if asked != "auto" and dims not in wanted[asked]:
        raise ConfigError(
            f"data.layout={asked}: an example of x in {named} has the shape {own}. Rows are (F,), sequences (T, F) or "
            "(T,), images (C, H, W) or (H, W), images_last (H, W, C)."
        )
    if asked == "auto":
        if dims not in (0, 1, 2, 3):
            raise ConfigError(
                f"{named}: an example of x has the shape {own}. It has to be (F,) a row, (T, F) a sequence or "
                "(C, H, W) an image."
            )
        last = dims == 3 and (own[0] > 4 >= own[2] if labelled is None or own[1:] == own[:2] else own[:2] == labelled)
        pictures = "images_last" if last else "images"
        asked = pictures if dims == 3 or labelled else "sequences" if dims == 2 else "rows"
    if asked == "images_last":
        return (own[2], own[0], own[1]), (0, 3, 1, 2)
    if asked == "images":
        return ((1, *own), (0, -1, 1, 2)) if dims == 2 else (own, (0, 1, 2, 3))
    if asked == "sequences":
        return ((*own, 1), (0, 1, -1)) if dims == 1 else (own, (0, 1, 2))
    return ((1,), (0, -1)) if dims == 0 else (own, (0, 1))


def _inputs(
    folder: Path, parts: Sequence[Any], count: int, shape: tuple[int, ...], order: tuple[int, ...], named: str
) -> None:
    """Keep the inputs in small whole numbers where they are such, else in floats: float64 for rows, as tables have."""
    kind = np.result_type(*(part.dtype for part in parts))  # splits may differ
    if kind.kind not in "biuf":
        raise ConfigError(f"{named}: x holds {kind}; it has to hold numbers.")
    small = kind.kind in "bu" and kind.itemsize == 1
    whole = new_array(
        folder, "x", (count, *shape), np.uint8 if small else np.float64 if len(shape) == 1 else np.float32
    )
    first = 0
    for part in parts:
        for i in range(0, len(part), _CHUNK):
            own = np.asarray(part[i : i + _CHUNK])
            own = (
                own[..., None].transpose([d if d >= 0 else own.ndim for d in order])
                if -1 in order
                else own.transpose(order)
            )
            whole[first : first + len(own)] = own
            first += len(own)
    whole.flush()
