"""A folder of images as a collection: one folder a class, or images with masks.

FOLDER/<class>/*.png              FOLDER/images/a.png, FOLDER/masks/a.png
FOLDER/train/<class>/*.png        FOLDER/train/images/a.png, FOLDER/train/masks/a.png
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ablate.contents import walk
from ablate.errors import ConfigError
from ablate.techniques import Task

from .collection import Collection, kept, listed, new_array, opened
from .pictures import Form, Opened, decoded, form_of, labels, pixels, same_sizes
from .splitting import NAMES

MASKS = ("masks", "mask", "labels")
MOST_LABELS = 256


@dataclass(frozen=True)
class _Example:
    image: Path
    split: int | None
    label: str | Path
    """Its class, or its mask."""


def images(path: Path, content: str, reading: Mapping[str, Any]) -> Collection:
    """Return the images in a folder."""
    return _images(path, content, json.dumps(dict(reading), sort_keys=True))


@functools.lru_cache(maxsize=8)
def _images(path: Path, content: str, reading: str) -> Collection:
    settings = json.loads(reading)
    return opened(kept(f"images {path.name}", content, settings, lambda where: _write(where, path, settings)))


def _write(folder: Path, root: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    examples, others = _found(root)
    named = [(str(each.image.relative_to(root)), _opener(each.image)) for each in examples]
    form = form_of(named, settings["size"], settings["colour"])
    keep(folder, "x", named, len(named), form)
    if any(each.split is not None for each in examples):
        np.save(folder / "split.npy", np.array([each.split for each in examples], np.int8))
    if isinstance(examples[0].label, Path):
        masks = [(str(e.label.relative_to(root)), _opener(e.label)) for e in examples if isinstance(e.label, Path)]
        same_sizes(named, masks)
        task, classes = Task.segmentation, keep_masks(folder, masks, len(masks), form)
    else:
        task, classes = Task.classification, sorted({str(each.label) for each in examples})
        number = {name: i for i, name in enumerate(classes)}
        np.save(folder / "y.npy", np.array([number[str(each.label)] for each in examples], np.int64))
    sentences = told(root.name, len(examples), form, task, classes, examples[0].split is not None)
    if others:
        sentences.append(f"{len(others):,} other files are left out: {listed(others, 3)}.")
    return {"task": task.value, "classes": classes, "sentences": sentences}


def told(
    name: str, count: int, form: Form, task: Task, classes: Sequence[str], given: bool, by: str = "folders"
) -> list[str]:
    """Return in words what images were found."""
    colour = "grey" if form.channels == 1 else "colour"
    what = f"{len(classes)} classes ({listed(list(classes), 6)})" if classes else "numbers"
    found = [f"{name}: {count:,} {colour} images of {form.height}×{form.width} pixels, {task.value}, {what}."]
    return [*found, f"Split by {by}." if given else "Split by the seed."]


def keep(folder: Path, name: str, named: Iterable[tuple[str, Opened]], count: int, form: Form) -> None:
    """Fill the array ``name`` in ``folder`` with pictures (N, C, H, W) in uint8."""
    whole = new_array(folder, name, (count, form.channels, form.height, form.width), np.uint8)
    for place, picture in enumerate(decoded(lambda each: pixels(*each, form), named)):
        whole[place] = picture
    whole.flush()


def keep_masks(folder: Path, named: Iterable[tuple[str, Opened]], count: int, form: Form) -> list[str]:
    """Fill the array ``y`` in ``folder`` with labels (N, H, W) from 0 on; return the grey values meant."""
    whole = new_array(folder, "y", (count, form.height, form.width), np.int64)
    values: set[int] = set()
    for place, mask in enumerate(decoded(lambda each: labels(*each, form), named)):
        whole[place] = mask
        values.update(np.unique(mask).tolist())
        if len(values) > MOST_LABELS:
            raise ConfigError(
                f"The masks have more than {MOST_LABELS} grey values: they are no labels. Resizing may have blurred "
                "them; save them anew with one value a class."
            )
    if len(values) < 2:
        raise ConfigError(f"The masks have one grey value only, {next(iter(values))}: there is nothing to learn.")
    order = np.array(sorted(values))
    for place in range(count):
        whole[place] = np.searchsorted(order, whole[place])
    whole.flush()
    return [str(value) for value in order]


def _found(root: Path) -> tuple[list[_Example], list[str]]:
    """Return the examples in a folder, and the names of files that are no images."""
    if not root.is_dir():
        raise ConfigError(
            f"data.path={root.name}: data=images reads a folder. A table is data=table, an npz data=arrays."
        )
    suffixes = set(Image.registered_extensions())
    files = list(walk(root))
    pictures = [file for file in files if file.suffix.lower() in suffixes]
    others = [str(file.relative_to(root)) for file in files if file.suffix.lower() not in suffixes]
    if not pictures:
        raise ConfigError(f"data.path: {root} has no images ({', '.join(sorted(suffixes)[:12])}, …) in it.")
    tops = {file.relative_to(root).parts[0].lower() for file in pictures if len(file.relative_to(root).parts) > 1}
    parted = bool(tops) and tops <= set(NAMES)
    if not parted and len({NAMES[top] for top in tops & set(NAMES)}) > 1:
        raise ConfigError(
            f"{root} has folders of splits, {listed(sorted(tops & set(NAMES)))}, and beside them "
            f"{listed(sorted(tops - set(NAMES)))}. Take the others out: they are neither splits nor classes."
        )
    examples = list(_examples(root, pictures, parted))
    if isinstance(examples[0].label, str) and len({each.label for each in examples}) < 2:
        raise ConfigError(
            f"{root} has images of one class only, '{examples[0].label}': each class needs a folder of its own, or the "
            "folders images and masks a label at every pixel."
        )
    if isinstance(examples[0].label, Path):
        used = {each.image for each in examples} | {each.label for each in examples}
        others += [str(file.relative_to(root)) for file in pictures if file not in used]
    return examples, others


def _examples(root: Path, pictures: Sequence[Path], parted: bool) -> Iterator[_Example]:
    masks = {file.relative_to(root).with_suffix(""): file for file in pictures if _kind(root, file, parted) in MASKS}
    with_masks = bool(masks) and any(_kind(root, file, parted) == "images" for file in pictures)
    for file in pictures:
        parts = file.relative_to(root).parts
        split = NAMES[parts[0].lower()] if parted else None
        kind = _kind(root, file, parted)
        if not kind:
            raise ConfigError(
                f"{file.relative_to(root)} is in no folder of a class. Put each class into a folder of its own."
            )
        if not with_masks:
            yield _Example(file, split, parts[int(parted)])
        elif kind == "images":
            yield _Example(file, split, _mask_of(root, file, masks, parted))


def _kind(root: Path, file: Path, parted: bool) -> str:
    """Return the folder below the root, or below that of the split, that a picture is in."""
    parts = file.relative_to(root).parts
    return parts[int(parted)].lower() if len(parts) > 1 + int(parted) else ""


def _mask_of(root: Path, image: Path, masks: Mapping[Path, Path], parted: bool) -> Path:
    parts = list(image.relative_to(root).with_suffix("").parts)
    for name in sorted({file.relative_to(root).parts[int(parted)] for file in masks.values()}):
        parts[int(parted)] = name
        if (mask := masks.get(Path(*parts))) is not None:
            return mask
    raise ConfigError(
        f"{image.relative_to(root)} has no mask: there has to be one of the same name in {'/'.join(parts[:-1])}."
    )


def _opener(file: Path) -> Opened:
    return lambda: Image.open(file)
