"""Small files of somebody's own, for tests: tables, images, arrays, and data sets in the hub's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

WORDS = ("red", "green", "blue")


def frame(rows: int = 100) -> pd.DataFrame:
    """Return a table of two numbers, a word, and a yes or no that hangs on them; a tenth of the heights are missing."""
    draw = np.random.default_rng(0)
    height, weight = draw.normal(170, 10, rows), draw.normal(1e6, 5, rows)
    colour = draw.choice(WORDS, rows)
    buys = np.where((height > 170) | (colour == "red"), "yes", "no")
    height[::10] = np.nan
    return pd.DataFrame({"height": height, "weight": weight, "colour": colour, "buys": buys})


def csv(folder: Path, table: pd.DataFrame | None = None, name: str = "people.csv") -> Path:
    """Write a table."""
    path = folder / name
    (frame() if table is None else table).to_csv(path, index=False)
    return path


def pictures(count: int, size: tuple[int, int] = (6, 8), seed: int = 0) -> Any:
    """Return grey pictures (count, H, W) of noise."""
    return np.random.default_rng(seed).integers(0, 256, (count, *size), dtype=np.uint8)


def image_folder(folder: Path, count: int = 30, size: tuple[int, int] = (6, 8)) -> Path:
    """Write pictures of two classes, one folder each, dark ones and light ones."""
    for number, picture in enumerate(pictures(count, size)):
        place = folder / "photos" / ("dark", "light")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((picture // 2 + 127 * (number % 2)).astype(np.uint8)).save(place / f"{number:03}.png")
    return folder / "photos"


def mask_folder(folder: Path, count: int = 20, size: tuple[int, int] = (6, 8)) -> Path:
    """Write pictures, and masks that are 255 where a picture is light, 7 where it is not."""
    for number, picture in enumerate(pictures(count, size)):
        for kind, content in (("images", picture), ("masks", np.where(picture > 127, 255, 7).astype(np.uint8))):
            place = folder / "scenes" / kind
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(place / f"{number:03}.png")
    return folder / "scenes"


def npz(folder: Path, name: str = "arrays.npz", **arrays: Any) -> Path:
    """Write arrays, those of a small classification of rows if none are given."""
    if not arrays:
        draw = np.random.default_rng(0)
        arrays = {"x": draw.normal(size=(60, 4)), "y": np.arange(60) % 3}
    np.savez(folder / name, **arrays)
    return folder / name
