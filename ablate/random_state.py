"""The random state of a run: every generator that its next number may come from.

Kept as tensors and plain numbers, so that a checkpoint can be read without running code of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

_CONTAINERS = (list, tuple, dict)
_BACK = frozenset({"_trainer", "_fabric"})
"""Attributes of a LightningModule that lead back to what trains it."""


GlobalState = tuple[Tensor, list[Tensor], Any, Any]
"""The state of torch, CUDA, numpy and Python, as they give it."""


def global_state() -> GlobalState:
    """Return the state of the generators that a process has one of."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return torch.get_rng_state(), cuda, np.random.get_state(), random.getstate()


def set_global_state(state: GlobalState) -> None:
    """Put back what :func:`global_state` returned."""
    of_torch, cuda, of_numpy, of_python = state
    torch.set_rng_state(of_torch)
    if torch.cuda.is_available() and len(cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(cuda)
    np.random.set_state(of_numpy)
    random.setstate(of_python)


@contextmanager
def isolated(seed: int | None = None) -> Iterator[None]:
    """Give back the random state of the process as it was; within, it begins at ``seed``, where one is given."""
    before = global_state()
    if seed is not None:
        seed_all(seed)
    try:
        yield
    finally:
        set_global_state(before)


def seed_all(seed: int) -> None:
    """Begin at ``seed`` with Python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def random_state(roots: Iterable[object]) -> dict[str, Any]:
    """Return the state of torch, CUDA, numpy and Python, and of every ``torch.Generator`` that ``roots`` keep."""
    of_torch, cuda, (name, keys, position, has_normal, normal), (version, words, spare) = global_state()
    return {
        "torch": of_torch,
        "cuda": cuda,
        "numpy": [str(name), [int(key) for key in keys], int(position), int(has_normal), float(normal)],
        "python": [version, list(words), spare],
        "generators": [generator.get_state() for generator in generators(roots)],
    }


def set_random_state(state: dict[str, Any], roots: Iterable[object]) -> None:
    """Put back what :func:`random_state` returned; raise ``ValueError`` where ``roots`` keep other generators."""
    name, keys, *rest = state["numpy"]
    version, words, spare = state["python"]
    of_numpy = name, np.array(keys, dtype=np.uint32), *rest
    set_global_state((state["torch"], state["cuda"], of_numpy, (version, tuple(words), spare)))
    for generator, kept in zip(generators(roots), state["generators"], strict=True):
        generator.set_state(kept)


def generators(roots: Iterable[object]) -> list[Generator]:
    """Return every ``torch.Generator`` that can be reached from ``roots``, each once, in an order of its own.

    Looks into attributes, containers and what functions have closed over: a loss may be a closure.
    """
    found: list[Generator] = []
    seen: dict[int, object] = {}  # the objects too, so that none is freed and its id given to another
    waiting: list[object] = list(roots)[::-1]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if isinstance(thing, Generator):
            found.append(thing)
        else:
            waiting.extend(list(_parts(thing))[::-1])
    return found


def _parts(thing: object) -> Iterator[object]:
    if isinstance(thing, Tensor | type | str | bytes | np.ndarray):
        return
    if isinstance(thing, dict):
        yield from thing.values()
    elif isinstance(thing, _CONTAINERS):
        yield from thing
    elif isinstance(thing, FunctionType):
        yield from (cell.cell_contents for cell in thing.__closure__ or () if _is_filled(cell))
    elif isinstance(thing, MethodType):
        yield thing.__self__
    elif isinstance(thing, partial):
        yield from (thing.func, thing.args, thing.keywords)
    elif isinstance(thing, nn.Module) or not type(thing).__module__.startswith(("torch.", "lightning.", "builtins")):
        yield from (value for name, value in getattr(thing, "__dict__", {}).items() if name not in _BACK)


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # an empty one raises
    except ValueError:
        return False
    return True
