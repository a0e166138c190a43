"""Receptive fields: which pixels of an image one output of a layer can see, measured on the network itself.

Where a pixel is NaN, everything computed from it is NaN, whatever the weights: 0 · NaN is NaN, and so is a maximum
that NaN takes part in. So one column after the other of an image is made NaN, and where NaN arrives in a layer's
map tells what its units see: with branches, skips, strides, dilation and ways back up, in any network.

The image is enlarged until some units of a layer lie clear of its border, so that the sizes are those of the
arithmetic, r ← r + (kernel - 1) · dilation · stride, and not cut by the image. Two things are left out. Layers that
keep the shape, have no weights but per channel and see the whole map take statistics, as normalisations do: their
statistics are no part of a field. And a weight that a mask holds at zero still counts.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

Touched = dict[str, Tensor]
"""For each layer whether NaN in column i arrives in column j of its map: (columns, map columns) bool."""

_ENLARGED = 1, 2, 3, 4, 6, 8, 12, 16
"""Canvases in image sizes. What still sees everything at the last sees the whole of any image."""

_CHUNK = 32


@dataclass(frozen=True)
class Field:
    """Receptive field of a layer's units."""

    size: tuple[int, int]
    """Height and width in pixels, the largest among the units; that of the image where ``whole``."""
    stride: tuple[Fraction, Fraction] | None
    """Pixels from one unit's field to its neighbour's; None where that is not regular, or there is no neighbour."""
    whole: bool = False
    """Whether the units see the whole of an image of any size."""


@dataclass(frozen=True)
class _Reach:
    """A field along one axis; ``size`` None is the whole of any image."""

    size: int | None
    stride: Fraction | None = None


@torch.no_grad()
def fields(model: nn.Module, example: Tensor) -> dict[str, Field]:
    """Return the field of each called layer of ``model`` that can be told, for images like ``example`` (C, H, W)."""
    model = copy.deepcopy(model).eval().double()
    for parameter in model.parameters():  # neither zeros, by which a norm divides, nor numbers that overflow
        parameter.fill_(1 / max(1, parameter[0].numel()) if parameter.ndim else 1)
    height, width = (_reaches(model, tuple(example.shape), axis) for axis in (1, 2))
    found = {}
    for name in height.keys() & width.keys():
        h, w = height[name], width[name]
        stride = None if h.stride is None or w.stride is None else (h.stride, w.stride)
        size = h.size or example.shape[1], w.size or example.shape[2]
        found[name] = Field(size, stride, whole=h.size is None and w.size is None)
    return found


def _reaches(model: nn.Module, shape: tuple[int, ...], axis: int) -> dict[str, _Reach]:
    """Return the fields along ``axis`` of an image of ``shape``: 1 height, 2 width."""
    canvases = [tuple(n * k if d == axis else n for d, n in enumerate(shape)) for k in _ENLARGED]
    needed = 1.5 * _largest(model, canvases[-1], axis)
    enough = [canvas for canvas in canvases if canvas[axis] >= needed] or canvases[-1:]
    found: dict[str, _Reach] = {}
    for canvas in enough[:2]:  # the second where the first has too few units to tell their stride
        touched = _touched(model, canvas, axis, range(canvas[axis]))
        found |= {name: reach for name, table in touched.items() if (reach := _reach(table)) is not None}
        if all(reach.stride is not None for reach in found.values()):
            break
    own = _touched(model, shape, axis, range(shape[axis]))
    return {name: _Reach(None) for name, table in own.items() if table.all()} | found


def _largest(model: nn.Module, canvas: tuple[int, ...], axis: int) -> float:
    """Return about how many pixels the widest field has that is not the whole ``canvas``: how far a pixel reaches."""
    size = canvas[axis]
    widest = 0.0
    for table in _touched(model, canvas, axis, (size // 2, size // 2 + 1)).values():
        units = table.any(0).nonzero().flatten()
        if 0 < len(units) < table.shape[1]:
            widest = max(widest, int(units[-1] - units[0] + 1) * size / table.shape[1])
    return widest


def _touched(model: nn.Module, canvas: tuple[int, ...], axis: int, columns: Sequence[int]) -> Touched:
    """Run ``model`` once for each of ``columns``, NaN there, and return where NaN arrives.

    A network that takes images of one size only stops where that matters; what it reached until then counts.
    """
    parts: dict[str, list[Tensor]] = {}

    def note(name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        if isinstance(output, Tensor) and inputs and isinstance(inputs[0], Tensor) and _keeps_places(module, *inputs):
            output = _without_statistics(inputs[0], output)
        first = next((leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)), None)
        if first is not None and len(first) == batch:
            seen = first.isnan()
            seen = seen.transpose(1, axis + 1) if seen.ndim == 4 else seen.reshape(batch, 1, -1)
            latest[name] = seen.flatten(2).any(2)  # of a layer that is called several times, the last call
        return output

    with ExitStack() as hooks, torch.no_grad():
        for name, module in model.named_modules():
            handle = module.register_forward_hook(lambda *seen, name=name: note(name, *seen))
            hooks.callback(handle.remove)
        for start in range(0, len(columns), _CHUNK):
            some = columns[start : start + _CHUNK]
            x = torch.ones(len(some), *canvas, dtype=torch.float64)
            for item, column in zip(x, some, strict=True):
                item.select(axis, column).fill_(torch.nan)
            batch, latest = len(some), dict[str, Tensor]()
            with suppress(Exception):
                model(x)
            for name, seen in latest.items():
                parts.setdefault(name, []).append(seen)
    return {name: torch.cat(seen) for name, seen in parts.items()}


def _keeps_places(module: nn.Module, x: Tensor, *_: Any) -> bool:
    """Say whether a layer has no weights but per channel, and so cannot take what is elsewhere for itself."""
    return not any(True for _ in module.children()) and all(p.ndim < 2 for p in module.parameters())


def _without_statistics(x: Tensor, output: Tensor) -> Tensor:
    """Return the output (B, C, *S) of a layer that keeps the shape: NaN where x is NaN, without statistics of x."""
    if output.shape != x.shape:
        return output
    whole = output.isnan().flatten(1).all(1).view(-1, *[1] * (output.ndim - 1))
    return torch.where(x.isnan(), torch.nan, torch.where(whole, 1.0, output))


def _reach(table: Tensor) -> _Reach | None:
    """Return size and stride from what (columns, map columns) saw, by the units whose field lies within the border."""
    count = len(table)
    numbered = table.int()
    first, last = numbered.argmax(0), count - 1 - numbered.flip(0).argmax(0)
    inner = table.any(0) & (first > 0) & (last < count - 1)
    if not inner.any():
        return None
    size = int((last - first + 1)[inner].max())
    # of a dilated kernel one end may lie beyond the border and the next tap well within
    inner &= (last >= size) & (first + size < count)
    return _Reach(size, _stride(first[inner], last[inner]))


def _stride(first: Tensor, last: Tensor) -> Fraction | None:
    """Return pixels a unit: after the smallest period of units, all fields have moved by the same number of pixels."""
    for period in range(1, (len(first) - 1) // 2 + 1):
        moves = {*(first[period:] - first[:-period]).tolist(), *(last[period:] - last[:-period]).tolist()}
        if len(moves) == 1 and (moved := moves.pop()) > 0:
            return Fraction(moved, period)
    return None
