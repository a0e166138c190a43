"""Examples that are read when they are needed: a tensor by its shape, a file or a library's data set by its content.

Shapes: N examples · B of them · S the shape of one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ablate.errors import ConfigError

Read = Callable[[Tensor], Tensor]
"""From the numbers (B,) of examples to the examples (B, *S)."""

_CHUNK = 2**24
"""Bytes that are read at once where all examples are wanted."""


class Stored(Tensor):
    """Examples (N, *S) that :meth:`at` reads; nothing else is computed with them while they are not in memory.

    It has a tensor's shape, length and dtype. ``parallel`` says whether threads may read at the same time.
    """

    _read: Read
    _index: Tensor
    parallel: bool

    @staticmethod
    def __new__(cls, read: Read, index: Tensor, shape: tuple[int, ...], dtype: torch.dtype, parallel: bool) -> Stored:
        """Make a tensor without content; see :func:`stored`."""
        made: Stored = Tensor._make_wrapper_subclass(cls, (len(index), *shape), dtype=dtype)
        made._read, made._index, made.parallel = read, index, parallel
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(cls, function: Any, *_: Any) -> Any:
        """Refuse what would need all examples at once."""
        raise ConfigError(
            f"{function.name()} needs all examples in memory, but this data is read batch by batch. Take a part of it "
            "by data.train_size, or data.hold=memory."
        )

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Stored(shape={tuple(self.shape)}, dtype={self.dtype})"

    def at(self, number: Tensor) -> Tensor:
        """Return the examples with these numbers (B,), (B, *S)."""
        return self._read(self._index[number])

    def __getitem__(self, key: Any) -> Tensor:
        """Return the examples that an index, a slice or a tensor of them means."""
        if isinstance(key, int):
            return self.at(torch.tensor([key]))[0]
        return self._read(self._index[key])

    def chosen(self, number: Tensor | slice) -> Stored:
        """Return some of the examples, still unread."""
        return stored(self._read, self._index[number], tuple(self.shape[1:]), self.dtype, self.parallel)

    def then(self, change: Callable[[Tensor], Tensor], dtype: torch.dtype) -> Stored:
        """Return the examples with each batch of them changed once it is read; shapes stay."""
        before = self._read
        return stored(lambda index: change(before(index)), self._index, tuple(self.shape[1:]), dtype, self.parallel)


def stored(read: Read, index: Tensor, shape: tuple[int, ...], dtype: torch.dtype, parallel: bool = True) -> Stored:
    """Return the examples with the numbers ``index`` (N,), of ``shape`` S each, that ``read`` gives."""
    return Stored(read, index, shape, dtype, parallel)


def taken(x: Tensor, number: Tensor | slice) -> Tensor:
    """Return some examples, unread where they were."""
    return x.chosen(number) if isinstance(x, Stored) else x[number]


def chunks(x: Tensor) -> Iterator[Tensor]:
    """Yield all examples in order, those in memory at once, others in parts of some megabytes."""
    if not isinstance(x, Stored):
        yield x
        return
    size = max(1, _CHUNK // max(1, x[:1].nbytes))
    for first in range(0, len(x), size):
        yield x[first : first + size]


def in_memory(x: Tensor) -> Tensor:
    """Return the examples as a plain tensor."""
    if not isinstance(x, Stored):
        return x
    whole = torch.empty(x.shape, dtype=x.dtype)
    first = 0
    for part in chunks(x):
        whole[first : first + len(part)] = part
        first += len(part)
    return whole


def room() -> int:
    """Return how many bytes of data a run may keep: half of what is free, shared by runs on all processors."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _free() // (2 * processors)


def _free(meminfo: Path = Path("/proc/meminfo"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes that are free, a container's limit counted."""
    found = []
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="utf-8").splitlines())
        found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    except (OSError, KeyError, ValueError):
        try:
            found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
        except (AttributeError, ValueError, OSError):
            found.append(2**31)
    try:
        limit, used = ((groups / name).read_text(encoding="utf-8").strip() for name in ("memory.max", "memory.current"))
        found.append(max(0, int(limit) - int(used)))
    except (OSError, ValueError):  # no limit
        pass
    return min(found)
