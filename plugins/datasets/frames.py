"""Tables from files, part by part: csv and parquet as pandas frames."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ablate.errors import ConfigError

ROWS = 100_000
"""Rows of a part."""

CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".csv.bz2", ".csv.xz", ".csv.zst")
PARQUET = (".parquet", ".pq")

Frames = Callable[[], Iterator[pd.DataFrame]]
"""Gives a table from its beginning, part by part, each time it is called."""


def frames_of(path: Path) -> Frames:
    """Return the table in a file; raise ``ConfigError`` for one that is none."""
    name = path.name.lower()
    if name.endswith(PARQUET):
        return lambda: _guarded(path, _parquet(path))
    if name.endswith(CSV):
        return lambda: _guarded(path, _csv(path))
    way_out = " A folder of images is data=images." if path.is_dir() else ""
    way_out = " Arrays are data=arrays." if path.suffix in (".npz", ".npy") else way_out
    raise ConfigError(
        f"data.path={path.name}: data=table reads csv (also .tsv, and packed as .gz) and parquet files.{way_out}"
    )


def _guarded(path: Path, frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    try:
        yield from frames
    except (OSError, ValueError, pa.ArrowException, csv.Error) as error:  # pandas' own errors are values that are wrong
        reason = " ".join(str(error).split()).rstrip(".")
        raise ConfigError(f"{path} cannot be read as a table: {reason}.") from error


def _csv(path: Path) -> Iterator[pd.DataFrame]:
    """Yield words as they stand: what is a number is decided for a whole column, not for a part of it."""
    with pd.read_csv(
        path,
        sep=_separator(path),
        dtype=str,
        chunksize=ROWS,
        encoding="utf-8-sig",
        skipinitialspace=True,
        index_col=False,
        on_bad_lines="error",
    ) as reader:
        yield from reader


def _separator(path: Path) -> str:
    """Return what parts the columns: whichever of , ; tab and | is most often in the first line."""
    head = pd.read_csv(path, sep="\x01", header=None, nrows=1, dtype=str, encoding="utf-8-sig", quoting=csv.QUOTE_NONE)
    line = str(head.iloc[0, 0])
    return max((",", ";", "\t", "|"), key=line.count)


def _parquet(path: Path) -> Iterator[pd.DataFrame]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS):
            yield batch.to_pandas()


def as_numbers(column: pd.Series[Any]) -> NDArray[np.float64] | None:
    """Return a column as floats (N,), NaN where it has no value; None where it holds something else."""
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        if pd.api.types.is_complex_dtype(column):
            return None
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if not (pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)):
        return None
    numbers = pd.to_numeric(column, errors="coerce")
    if bool((numbers.isna() & column.notna()).any()):
        return None
    return np.asarray(numbers.to_numpy(dtype=np.float64, na_value=np.nan))


def as_words(column: pd.Series[Any]) -> NDArray[np.object_]:
    """Return a column as words (N,), None where it has no value."""
    words = column.astype(object).to_numpy()
    there = column.notna().to_numpy()
    return np.array([str(word) if known else None for word, known in zip(words, there, strict=True)], dtype=object)
