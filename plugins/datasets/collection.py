"""The examples of a source before they are split; kept as plain arrays on disk, so that files are decoded once.

Shapes: N examples · S the shape of one as it is kept · F features · K targets · H, W height and width.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch
from torch import Tensor

from ablate.contents import LENGTH, cache_folder
from ablate.dataset import Examples, Splits
from ablate.errors import ConfigError
from ablate.stored import Read, stored
from ablate.techniques import Task

from .splitting import three_ways

FORMAT = 2
"""Raised when what is kept of a source changes its meaning."""

Fit = Callable[[Tensor, Tensor], tuple[Read, tuple[int, ...]]]
"""From the kept inputs (N, *S) and the numbers of the training examples to what reads inputs, and their shape."""


@dataclass(frozen=True)
class Collection:
    """Inputs, targets and what is known of them."""

    task: Task
    x: Tensor
    """(N, *S), in a file."""
    y: Tensor
    """(N,) int64 classes · (N, K) float64 · (N, H, W) uint8 or int64 labels of pixels, in a file."""
    given: Tensor | None
    """(N,) 0, 1, 2 where the splits are fixed."""
    sentences: tuple[str, ...]
    """What it is, in words."""
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    fit: Fit | None = None
    """How inputs are made of what is kept, by the training examples; None where they are kept as they are."""

    def splits(self, seed: int, train_size: int | None = None) -> Splits:
        """Return the splits that belong to ``seed``; inputs are read when they are needed.

        Of training the first ``train_size`` examples are all that anything is computed from.
        """
        labels = self.y if self.task is Task.classification else None
        parts = three_ways(len(self.x), seed, labels, self.given)
        read, shape = self.fit(self.x, parts[0][:train_size]) if self.fit else (plain(self.x), tuple(self.x.shape[1:]))
        dtype = torch.float64 if self.x.dtype == torch.float64 else torch.float32
        return Splits(*(Examples(stored(read, part, shape, dtype), self._targets(part)) for part in parts))

    def _targets(self, part: Tensor) -> Tensor:
        if self.task is not Task.segmentation:
            return self.y[part]
        y = self.y
        return stored(lambda index: y[index].long(), part, tuple(y.shape[1:]), torch.int64)


def plain(x: Tensor) -> Read:
    """Return what reads kept numbers of any type as floats."""
    return lambda index: x[index] if x.dtype == torch.float64 else x[index].float()


def kept(source: str, content: str, reading: Mapping[str, Any], write: Callable[[Path], dict[str, Any]]) -> Path:
    """Return the folder that ``write`` has filled for this content and this way of reading it, now or earlier.

    ``write`` puts arrays into the folder it is given and returns what else there is to know: ``meta.json``.
    Raises ``ConfigError`` where there is no room.
    """
    told = json.dumps([FORMAT, source, content, dict(reading)], sort_keys=True)
    folder = cache_folder() / "sets" / hashlib.sha256(told.encode()).hexdigest()[: 2 * LENGTH]
    if (folder / "meta.json").exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder.with_suffix(".lock")):
            if not (folder / "meta.json").exists():
                _fill(folder, write)
    except OSError as error:
        raise ConfigError(
            f"What is read of {source} cannot be kept in {folder.parent} ({error.strerror or error}). Make room there, "
            "or set XDG_CACHE_HOME to a folder on another disk."
        ) from error
    return folder


def _fill(folder: Path, write: Callable[[Path], dict[str, Any]]) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    try:
        meta = write(temporary)
        (temporary / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def meta(folder: Path) -> dict[str, Any]:
    """Return what else there is to know of a kept source."""
    found: dict[str, Any] = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return found


def array(folder: Path, name: str) -> Tensor:
    """Return a kept array as a tensor whose content stays in the file until it is read."""
    # copy on write: torch warns of memory that cannot be written, and nobody writes it
    return torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="c", allow_pickle=False))


def optional(folder: Path, name: str) -> Tensor | None:
    """Return a kept array, None where there is none such."""
    return array(folder, name).clone() if (folder / f"{name}.npy").exists() else None


def new_array(folder: Path, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return an array in a new file, to be filled part by part; raise ``OSError`` where the disk has no room for it."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if (free := shutil.disk_usage(folder).free) < size:
        raise OSError(f"it takes {size / 2**30:.1f} GB, and {free / 2**30:.1f} are free")
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)


def listed(names: list[str] | tuple[str, ...], most: int = 8) -> str:
    """Return names as ``a, b, c and 4 more``."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def opened(folder: Path) -> Collection:
    """Return the inputs and targets that are kept in a folder."""
    found, y = meta(folder), array(folder, "y")
    task = Task(found["task"])
    return Collection(
        task=task,
        x=array(folder, "x"),
        y=y.clone() if task is not Task.segmentation else y,
        given=optional(folder, "split"),
        sentences=tuple(found["sentences"]),
        classes=tuple(found["classes"]),
    )
