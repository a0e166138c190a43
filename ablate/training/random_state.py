"""The random state of a run: every generator that its next number may come from.

Kept as tensors and plain numbers, so that a checkpoint can be read without running code of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

_CONTAINERS = (list, tuple, dict)
_BACK = frozenset({"_trainer", "_fabric"})
"""Attributes of a LightningModule that lead back to what trains it."""


def random_state(roots: Iterable[object]) -> dict[str, Any]:
    """Return the state of torch, CUDA, numpy and Python, and of every ``torch.Generator`` that ``roots`` keep."""
    name, keys, position, has_normal, normal = np.random.get_state(legacy=True)
    version, words, spare = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [str(name), [int(key) for key in keys], int(position), int(has_normal), float(normal)],
        "python": [version, list(words), spare],
        "generators": [generator.get_state() for generator in generators(roots)],
    }


def set_random_state(state: dict[str, Any], roots: Iterable[object]) -> None:
    """Put back what :func:`random_state` returned; raise ``ValueError`` where ``roots`` keep other generators."""
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    version, words, spare = state["python"]
    random.setstate((version, tuple(words), spare))
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
