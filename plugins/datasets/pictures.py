"""Pictures decoded by Pillow, one size and one number of channels for all, into an array on disk.

Shapes: N pictures · C channels · H, W height and width.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ablate.errors import ConfigError

THREADS = 4
_GREY = frozenset({"1", "L", "I", "F", "I;16", "I;16B", "I;16L", "LA"})

_BROKEN = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for a file that it cannot decode."""

Opened = Callable[[], Image.Image]
"""Opens a picture; decoding waits."""


@dataclass(frozen=True)
class Form:
    """Size (height, width) and channels of all pictures."""

    height: int
    width: int
    channels: int


def form_of(named: Iterable[tuple[str, Opened]], size: Any, colour: str) -> Form:
    """Return the form that pictures are brought to; raise ``ConfigError`` where they differ and no ``size`` is said."""
    asked = None if size is None else (size, size) if isinstance(size, int) else (size[0], size[-1])
    shapes: dict[tuple[int, int], str] = {}
    is_grey = True
    for name, opened in named:
        with _open(name, opened) as picture:
            shapes.setdefault(_upright(name, picture), name)
            is_grey &= picture.mode in _GREY
        if asked and colour != "auto":
            break  # nothing hangs on the others
    if asked is None and len(shapes) > 1:
        (a, one), (b, two) = itertools.islice(shapes.items(), 2)
        raise ConfigError(
            f"The images have different sizes, {a[0]}×{a[1]} ({one}) and {b[0]}×{b[1]} ({two}), height × width: say "
            "to which they are to be resized, data.size=32 or data.size=[32,48]."
        )
    height, width = asked or next(iter(shapes))
    return Form(height, width, 1 if colour == "grey" or (colour == "auto" and is_grey) else 3)


def same_sizes(pictures: Iterable[tuple[str, Opened]], masks: Iterable[tuple[str, Opened]]) -> None:
    """Raise ``ConfigError`` for a mask that is not of the size of its picture."""
    for (name, opened), (mask_name, mask_opened) in zip(pictures, masks, strict=True):
        with _open(name, opened) as picture, _open(mask_name, mask_opened) as mask:
            own, other = _upright(name, picture), _upright(mask_name, mask)
        if own != other:
            raise ConfigError(
                f"{mask_name} has {other[0]}×{other[1]} pixels, but {name}, which it labels, has {own[0]}×{own[1]}."
            )


def _upright(name: str, picture: Image.Image) -> tuple[int, int]:
    """Return height and width once it is turned as its camera says."""
    try:
        turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except _BROKEN as error:  # a PNG may be decoded for it
        raise _unreadable(name, error) from error
    return (picture.width, picture.height) if turned else (picture.height, picture.width)


def pixels(name: str, opened: Opened, form: Form) -> Any:
    """Return a picture (C, H, W) in uint8, upright, resized by bilinear interpolation over the pixels it shrinks."""
    with _open(name, opened) as picture:
        if picture.mode == "F":
            raise ConfigError(f"{name} holds floats, of which none is white. Save 8 or 16 bits, or take data=arrays.")
        try:
            upright = _eight_bits(ImageOps.exif_transpose(picture)).convert("L" if form.channels == 1 else "RGB")
        except _BROKEN as error:
            raise _unreadable(name, error) from error
        if upright.size != (form.width, form.height):
            upright = upright.resize((form.width, form.height), Image.Resampling.BILINEAR)
        shown = np.asarray(upright)
    return shown[None] if form.channels == 1 else shown.transpose(2, 0, 1)


def labels(name: str, opened: Opened, form: Form) -> Any:
    """Return a mask (H, W) of small numbers, resized to the nearest; a palette's numbers are the labels."""
    with _open(name, opened) as picture:
        if picture.mode not in ("1", "L", "P", "I", "I;16"):
            raise ConfigError(
                f"{name}: a mask needs one number a pixel, and this one has {len(picture.getbands())} channels "
                f"({picture.mode}). Save it as grey values or with a palette."
            )
        try:
            upright = ImageOps.exif_transpose(picture)
            if upright.size != (form.width, form.height):
                upright = upright.resize((form.width, form.height), Image.Resampling.NEAREST)
            return np.asarray(upright).astype(np.int64)
        except _BROKEN as error:
            raise _unreadable(name, error) from error


def decoded(read: Callable[[tuple[str, Opened]], Any], named: Iterable[tuple[str, Opened]]) -> Iterator[Any]:
    """Yield ``read`` of each picture, in order; threads decode some at a time, as Pillow leaves Python's lock alone."""
    with ThreadPoolExecutor(THREADS) as threads:
        rest = iter(named)
        while some := list(itertools.islice(rest, 64 * THREADS)):
            yield from threads.map(read, some)


def _open(name: str, opened: Opened) -> Image.Image:
    try:
        return opened()
    except _BROKEN as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> ConfigError:
    reason = " ".join(str(error).split()).rstrip(".")
    return ConfigError(f"{name} cannot be read as an image ({reason}). Mend it or take it out of the folder.")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return a picture of 16 bits a pixel in 8, white as white; others as they are."""
    if not picture.mode.startswith("I"):
        return picture
    return Image.fromarray((np.asarray(picture).astype(np.int64) // 257).clip(0, 255).astype(np.uint8))
