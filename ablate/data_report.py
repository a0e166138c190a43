"""What data looks like, before anything is trained on it: what is said once, what may be wrong, what is refused.

Shapes: N examples · F features · T time · C channels · H, W height and width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ablate.config import Config
from ablate.dataset import Dataset, Splits
from ablate.discovery import BUILTIN
from ablate.errors import ConfigError
from ablate.stored import chunks
from ablate.tasks import Task
from ablate.techniques import Data

_NAMED = 5
"""So many features or classes are named before the rest is counted."""

_COMPARED = 100_000
"""Of larger splits so many examples are looked for in the others."""


@dataclass(frozen=True)
class DataReport:
    """What is to be said of a data set in words, and what may be a mistake."""

    told: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def examine(config: Config, dataset: Dataset) -> DataReport:
    """Look at the data of ``config``, unless it ships with ablate: that is known.

    Raises ``ConfigError`` where a number is not finite, or inputs and targets do not have the shapes of their task.
    """
    origin = config.data.origin()
    if origin is None and config.options()["data"].distribution == BUILTIN:
        return DataReport()
    name = f"data={config.choices()['data']}" + (f" ({config.data.title})" if config.data.title else "")
    features = origin.features if origin else ()
    classes = origin.classes if origin else ()
    refuse_unusable(dataset, name, features)
    doubts = (
        *constant(dataset.splits.train.x, features),
        *missing_classes(dataset, classes),
        *repeated(dataset.splits),
    )
    told = (f"{' '.join(origin.sentences)} {_held(dataset)}",) if origin else ()
    return DataReport(told, tuple(f"{name}: {doubt}" for doubt in doubts))


def data_facts(data: Data, dataset: Dataset) -> dict[str, Any]:
    """Return what the record keeps of a run's data."""
    origin = data.origin()
    facts: dict[str, Any] = {
        "held": "streamed" if dataset.splits.is_stored else "memory",
        "examples": {name: len(split.x) for name, split in zip(Splits._fields, dataset.splits, strict=True)},
    }
    if origin is not None:
        facts |= {"path": origin.path, "content": origin.content, "is": list(origin.sentences)}
    return facts


def _held(dataset: Dataset) -> str:
    counts = " : ".join(f"{len(split.x):,}" for split in dataset.splits)
    size = sum(part.nbytes for split in dataset.splits for part in split)
    unit, name = next(((2**power, name) for power, name in ((30, "GB"), (20, "MB")) if size >= 2**power), (2**10, "kB"))
    amount = f"{size / unit:.1f} {name}"
    where = f"read batch by batch ({amount})" if dataset.splits.is_stored else f"in memory ({amount})"
    return f"Training, validation and test: {counts}, {where}."


def refuse_unusable(dataset: Dataset, name: str, features: Sequence[str] = ()) -> None:
    """Raise ``ConfigError`` for examples that differ in shape between splits, and for what is not finite."""
    shapes = {tuple(split.x.shape[1:]) for split in dataset.splits}
    if len(shapes) > 1:
        raise ConfigError(f"{name}: the examples of the splits have different shapes: {', '.join(map(str, shapes))}.")
    if len(next(iter(shapes))) not in (1, 2, 3):
        raise ConfigError(
            f"{name}: an example has the shape {next(iter(shapes))}. Give rows (features), sequences (time, features) "
            "or images (channels, height, width)."
        )
    for split_name, split in zip(Splits._fields, dataset.splits, strict=True):
        if len(split.x) != len(split.y):
            raise ConfigError(f"{name}: the {split_name} split has {len(split.x)} inputs and {len(split.y)} targets.")
        size = tuple(split.x.shape[2:]) if dataset.spec.task is Task.segmentation else ()
        if dataset.spec.task is not Task.regression and tuple(split.y.shape[1:]) != size:
            raise ConfigError(
                f"{name}: the targets of the {split_name} split have the shape {tuple(split.y.shape[1:])} each, but a "
                f"{dataset.spec.task.value} of inputs {tuple(split.x.shape[1:])} needs {size or 'one class'}."
            )
        if dataset.spec.task is not Task.regression and any(int(part.min()) < 0 for part in chunks(split.y)):
            raise ConfigError(f"{name}: the {split_name} split has targets below 0. Classes are counted from 0 on.")
        for what, part in (("inputs", split.x), ("targets", split.y)):
            if (found := _not_finite(part)) is not None:
                where = f"feature '{features[found[1]]}'" if what == "inputs" and features else what
                raise ConfigError(
                    f"{name}: the {where} of the {split_name} split have NaN or infinity, first in its example "
                    f"{found[0]}. Drop or fill what is missing; in a table leave the column out by data.drop."
                )


def _not_finite(x: Tensor) -> tuple[int, int] | None:
    """Return number and last index of the first example with a number that is not finite."""
    first = 0
    for part in chunks(x) if x.is_floating_point() else ():
        if not bool(part.isfinite().all()):
            place = (~part.isfinite()).nonzero()[0]
            return first + int(place[0]), int(place[-1])
        first += len(part)
    return None


def constant(x: Tensor, features: Sequence[str] = ()) -> list[str]:
    """Say which features of a table or sequence never change in training; of images, whether a channel does not."""
    dim = 1 if x.ndim == 4 else x.ndim - 1
    others = [d for d in range(x.ndim) if d != dim]
    parts = [(part.amin(others), part.amax(others)) for part in chunks(x)]
    low = torch.stack([part for part, _ in parts]).amin(0)
    high = torch.stack([part for _, part in parts]).amax(0)
    idle = ((high - low) <= 1e-6 * torch.maximum(low.abs(), high.abs())).nonzero().flatten().tolist()
    what = "channel" if x.ndim == 4 else "feature"
    named = [f"'{features[i]}'" if features else f"{what} {i}" for i in idle]
    return [f"the same in every training example, and so of no use: {_listed(named)}."] if idle else []


def missing_classes(dataset: Dataset, classes: Sequence[str] = ()) -> list[str]:
    """Say which classes a split has no example of: what training has not seen is not learnt, nor is it judged."""
    if dataset.spec.task is Task.regression:
        return []
    found = []
    for name, split in zip(("training", "validation", "test"), dataset.splits, strict=True):
        counts = sum(torch.bincount(part.flatten(), minlength=dataset.spec.outputs) for part in chunks(split.y))
        assert isinstance(counts, Tensor)
        absent = (counts == 0).nonzero().flatten().tolist()
        named = [f"'{classes[i]}'" if classes else str(i) for i in absent]
        if absent:
            found.append(f"the {name} split has no example of {len(absent)} of the classes: {_listed(named)}.")
    return found


def repeated(splits: Splits) -> list[str]:
    """Say how much of validation and test is in another split as well, inputs alike: such a score is partly memory.

    In a small world, of which training holds less than half as many inputs as examples, everything repeats: nothing is
    said.
    """
    seen = {name: list(_keys(split.x)) for name, split in zip(Splits._fields, splits, strict=True)}
    sets = {name: set(keys) for name, keys in seen.items()}
    if 2 * len(sets["train"]) < len(seen["train"]):
        return []
    found = []
    for name, other in (("val", "train"), ("test", "train"), ("test", "val")):
        count = sum(key in sets[other] for key in seen[name])
        if count:
            share = count / len(seen[name])
            found.append(
                f"{count} examples of {name} ({share:.1%}) are in {other} too: the score is partly memory. Remove "
                "duplicates before the split."
            )
    return found


def _keys(x: Tensor) -> Iterator[bytes]:
    given = 0
    for part in chunks(x):
        for row in part[: _COMPARED - given].flatten(1).contiguous().numpy():
            yield hashlib.blake2b(row.tobytes(), digest_size=16).digest()
        given += len(part)
        if given >= _COMPARED:
            return


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
