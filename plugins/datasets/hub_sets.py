"""A data set of the Hugging Face hub as a collection: of images, or else a table."""

from __future__ import annotations

import functools
import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image

from ablate.atomic import write_atomically
from ablate.contents import cache_folder, digest_of
from ablate.errors import ConfigError, RecordError
from ablate.techniques import Task

from . import array_files, image_files, table_files
from .collection import Collection, kept, listed, meta, opened
from .frames import ROWS, without_row_labels
from .hub_access import splits_of
from .pictures import Opened, form_of, same_sizes
from .splitting import NAMES

if TYPE_CHECKING:
    from datasets import Dataset

BELIEVED = 3600.0
"""Seconds for which the hub is not asked again what a data set holds."""

LABELS = ("label", "labels", "target", "y", "class")
_SPLIT = table_files.OWN_SPLIT


def hub(path: str | Path, content: str, reading: Mapping[str, Any]) -> Collection:
    """Return a data set of the hub, or a local one in its layout."""
    return _hub(path, content, json.dumps(dict(reading), sort_keys=True))


def content(path: str, config: str | None, revision: str | None) -> str:
    """Return a digest of what a data set of the hub holds; what is known is believed for an hour.

    Other processes of a sweep need not ask, nor does who works without a network and has it cached.
    """
    asked = "--".join(str(each).replace("/", "--") for each in (path, config, revision))
    memo = cache_folder() / "hub" / f"{asked}.json"
    with suppress(OSError, ValueError):
        when, found = json.loads(memo.read_text(encoding="utf-8"))
        if 0 <= time.time() - when < BELIEVED:
            return str(found)
    splits = splits_of(path, config, revision)
    files = [Path(each["filename"]) for split in splits.values() for each in split.cache_files]
    found = digest_of(files, files[0].parent)
    with suppress(OSError, RecordError):
        write_atomically(memo, json.dumps([time.time(), found]))
    return found


@functools.lru_cache(maxsize=8)
def _hub(path: str | Path, content: str, reading: str) -> Collection:
    settings = json.loads(reading)
    name = path.name if isinstance(path, Path) else path
    kind = meta_of(path, content, settings)
    idle, what = (_OF_TABLES, "of images") if kind["images"] else (_OF_IMAGES, "a table")
    _refuse_idle(settings, idle, f"{name} is {what}")
    left = [f"Splits left out: {listed(kind['others'])}."] if kind["others"] else []
    if kind["images"]:
        folder = kept(f"hub {name}", content, settings, lambda where: _write_images(where, path, settings, kind))
        return _and(opened(folder), left)
    own = {key: settings[key] for key in ("target_type", "drop", "categorical", "max_categories")}
    own |= {"target": settings["target"] or kind["target"], "split": _SPLIT if kind["given"] else None}
    frames = _Frames(path, settings["config"], settings["revision"])
    return _and(table_files.open_table(name, content, json.dumps(own), frames), left)


def _and(found: Collection, more: Sequence[str]) -> Collection:
    return replace(found, sentences=(*found.sentences, *more))


_OF_TABLES: dict[str, Any] = {"drop": [], "categorical": [], "max_categories": 64}
_OF_IMAGES: dict[str, Any] = {"size": None, "colour": "auto"}
"""Settings that mean something in one kind of data set only, as they are where nothing is said."""


def _refuse_idle(settings: Mapping[str, Any], idle: Mapping[str, Any], why: str) -> None:
    """Raise ``ConfigError`` for a setting that would change nothing."""
    for setting, default in idle.items():
        if settings[setting] != default:
            raise ConfigError(f"data.{setting} would change nothing: {why}. Leave it out.")


def meta_of(path: str | Path, content: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what kind of data set it is, without loading it again where that is known."""
    asked = {key: settings[key] for key in ("config", "revision", "inputs", "target")}

    def look(_: Path) -> dict[str, Any]:
        found = splits_of(path, settings["config"], settings["revision"])
        splits = _used(found)
        first = next(iter(splits.values()))
        for split, own in splits.items():
            if unlike := sorted(set(own.column_names) ^ set(first.column_names)):
                raise ConfigError(f"data.path={path}: not all splits have the column {unlike[0]}; {split} is unlike.")
        images = [name for name, feature in first.features.items() if type(feature).__name__ == "Image"]
        target = settings["target"] or _target(first, images)
        for name in filter(None, (settings["inputs"], *(target if isinstance(target, list) else [target]))):
            if name not in first.features:
                raise ConfigError(f"data.path={path} has no column {name}. It has {listed(list(first.features), 30)}.")
        if settings["inputs"] and settings["inputs"] not in images:
            raise ConfigError(
                f"data.inputs={settings['inputs']}: this column of {path} holds no images. Those of images: "
                f"{listed(images) or 'none, it is a table, and data.drop leaves columns out'}."
            )
        inputs = [settings["inputs"]] if settings["inputs"] else [name for name in images if name != target]
        others = [name for name in found if name not in splits]
        return {"images": inputs[:1], "target": target, "given": len(splits) > 1, "others": others}

    return meta(kept(f"look {path}", content, asked, look))


def _target(first: Dataset, images: Sequence[str]) -> str | None:
    """Return the column of labels; None where none is plain, which a table will ask for."""
    labels = [name for name, feature in first.features.items() if type(feature).__name__ == "ClassLabel"]
    plain = [name for name in first.features if name.lower() in LABELS]
    found = labels if len(labels) == 1 else plain
    if len(found) == 1:
        return str(found[0])
    others = [name for name in first.features if name not in images[:1]]
    if images:
        raise ConfigError(f"data.target is not set: which column is to be predicted? One of {listed(others, 30)}.")
    return None


def _used(splits: Mapping[str, Dataset]) -> dict[str, Dataset]:
    """Return the splits for training, validation and test; all of a data set that is one."""
    known = {name: split for name, split in splits.items() if name.lower() in NAMES and len(split)}
    if known:
        return known
    first = next((each for each in splits.items() if len(each[1])), None)
    if first is None:
        raise ConfigError("data: the data set has no examples.")
    return {"all": first[1]}


def _write_images(
    folder: Path, path: str | Path, settings: Mapping[str, Any], kind: Mapping[str, Any]
) -> dict[str, Any]:
    from datasets import ClassLabel
    from datasets import Image as ImageFeature

    splits = _used(splits_of(path, settings["config"], settings["revision"]))
    (column,), target = kind["images"], kind["target"]
    if not isinstance(target, str):
        raise ConfigError(f"data.target={target}: images have one column to predict.")
    features = next(iter(splits.values())).features
    splits = {name: split.select_columns([column, target]) for name, split in splits.items()}
    feature, count = features[target], sum(map(len, splits.values()))
    name = path.name if isinstance(path, Path) else path
    plain = {key: split.cast_column(column, ImageFeature(decode=False)) for key, split in splits.items()}
    form = form_of(_pictures(plain, column), settings["size"], settings["colour"])
    image_files.keep(folder, "x", _pictures(plain, column), count, form)
    if kind["given"]:
        codes = [np.full(len(split), NAMES[key.lower()], np.int8) for key, split in splits.items()]
        np.save(folder / "split.npy", np.concatenate(codes))
    if type(feature).__name__ == "Image":
        masks = {key: split.cast_column(target, ImageFeature(decode=False)) for key, split in splits.items()}
        same_sizes(_pictures(plain, column), _pictures(masks, target))
        task, classes = Task.segmentation, image_files.keep_masks(folder, _pictures(masks, target), count, form)
    else:
        parts = [np.asarray(split.with_format(None).select_columns([target])[target][:]) for split in splits.values()]
        task, classes = array_files.targets(folder, parts, np.empty((0, 1)), settings["target_type"], str(name))
        if isinstance(feature, ClassLabel) and "-1" in classes:
            raise ConfigError(f"{name}: examples without a label (-1). Take a data set whose splits all have labels.")
        classes = [feature.int2str(int(c)) for c in classes] if isinstance(feature, ClassLabel) else classes
    sentences = image_files.told(str(name), count, form, task, classes, kind["given"], by="the data set")
    return {"task": task.value, "classes": classes, "sentences": sentences}


def _pictures(splits: Mapping[str, Dataset], column: str) -> Iterator[tuple[str, Opened]]:
    for key, split in splits.items():
        for number, row in enumerate(split.select_columns([column])):
            yield f"{key}[{number}].{column}", _opener(row[column])


def _opener(packed: Mapping[str, Any]) -> Opened:
    content = packed["bytes"]
    return lambda: Image.open(packed["path"] if content is None else io.BytesIO(content))


@dataclass(frozen=True)
class _Frames:
    """A data set as a table: every split, with a column that says which."""

    path: str | Path
    config: str | None
    revision: str | None

    def __call__(self) -> Any:
        splits = _used(splits_of(self.path, self.config, self.revision))
        return lambda: _rows(splits)


def _rows(splits: Mapping[str, Dataset]) -> Iterator[pd.DataFrame]:
    for key, split in splits.items():
        words = {name: f.int2str for name, f in split.features.items() if type(f).__name__ == "ClassLabel"}
        for frame in split.with_format("pandas").iter(batch_size=ROWS):
            for name, word in words.items():
                frame[name] = [None if code is None or code < 0 else word(int(code)) for code in frame[name]]
            frame = without_row_labels(frame)
            yield frame.assign(**{_SPLIT: key}) if len(splits) > 1 else frame
