"""Tables from files, part by part: csv and parquet as pandas frames."""

from __future__ import annotations

import csv
import lzma
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
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

CSV = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".csv.bz2", ".csv.xz")
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
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} cannot be read as a table: it is no text in UTF-8 ({error.reason}). Save it as UTF-8."
        ) from error
    except (OSError, ValueError, pa.ArrowException, csv.Error, *_PACKED) as error:  # pandas' own errors are ValueErrors
        reason = " ".join(str(error).split()).rstrip(".")
        raise ConfigError(f"{path} cannot be read as a table: {reason}.") from error


_PACKED = (EOFError, zlib.error, lzma.LZMAError)
"""What goes wrong in a packed file."""


def _csv(path: Path) -> Iterator[pd.DataFrame]:
    """Yield words as they stand: what is a number is decided for a whole column, not for a part of it."""
    how: dict[str, Any] = {"sep": _separator(path), "dtype": str, "encoding": "utf-8-sig", "skipinitialspace": True}
    _refuse_twins(pd.read_csv(path, header=None, nrows=1, **how).iloc[0].dropna().tolist())
    with pd.read_csv(path, chunksize=ROWS, index_col=False, on_bad_lines="error", **how) as reader:
        while (frame := _next(reader)) is not None:
            yield frame


def _next(reader: Iterator[pd.DataFrame]) -> pd.DataFrame | None:
    """Return the next part; raise ``ValueError`` where pandas would cut rows that are longer than the first line."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return next(reader, None)
        except pd.errors.ParserWarning as error:
            raise ValueError("its rows have more values than its first line has names") from error


def _refuse_twins(names: Sequence[str]) -> None:
    """Raise ``ValueError`` for two columns of one name: which is meant by a setting?"""
    if twins := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"it has several columns called '{twins[0]}'. Rename them")


def _separator(path: Path) -> str:
    """Return what parts the columns: whichever of , ; tab and | is most often in the first line."""
    head = pd.read_csv(path, sep="\x01", header=None, nrows=1, dtype=str, encoding="utf-8-sig", quoting=csv.QUOTE_NONE)
    line = str(head.iloc[0, 0])
    return max((",", ";", "\t", "|"), key=line.count)


def _parquet(path: Path) -> Iterator[pd.DataFrame]:
    with pq.ParquetFile(path) as file:
        _refuse_twins(file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=ROWS):
            yield without_row_labels(batch.to_pandas(ignore_metadata=True))  # an index is a column as any other


def without_row_labels(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table without the nameless index that pandas keeps in a file: it says where a row once stood."""
    return frame[[name for name in frame.columns if not name.startswith("__index_level_")]]


def numbers_among(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Return a column as floats (N,), NaN where it has no value, or one that is no number."""
    if pd.api.types.is_complex_dtype(column):
        return np.full(len(column), np.nan)
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if not (pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)):
        return np.full(len(column), np.nan)
    return np.asarray(pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))


def as_words(column: pd.Series[Any]) -> NDArray[np.object_]:
    """Return a column as words (N,), None where it has no value."""
    words = column.astype(object).to_numpy()
    there = column.notna().to_numpy()
    return np.array([str(word) if known else None for word, known in zip(words, there, strict=True)], dtype=object)
