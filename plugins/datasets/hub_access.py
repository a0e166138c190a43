"""Hugging Face ``datasets``: loading one, with one sentence for everything that can be in the way."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import ConfigError

from .collection import listed

if TYPE_CHECKING:
    from datasets import Dataset

PAUSE = 60.0
"""Seconds before a hub that could not be reached is asked again."""

_refused: dict[tuple[str, str | None, str | None], tuple[float, str]] = {}
_LOGGERS = ("datasets", "huggingface_hub", "httpx", "httpx2", "fsspec")


def splits_of(path: str | Path, config: str | None, revision: str | None) -> dict[str, Dataset]:
    """Return the splits of a data set by name; raise ``ConfigError`` saying why there are none."""
    try:
        import datasets
    except ImportError as error:
        raise ConfigError(
            "data=hub needs the Hugging Face library: pip install 'lightning-ablate[hub]' (or datasets)."
        ) from error
    local, asked = isinstance(path, Path), (str(path), config, revision)
    if local and revision:
        raise ConfigError(f"data.revision={revision}: a local data set has no revisions. Leave it out.")
    if asked in _refused and time.monotonic() - _refused[asked][0] < PAUSE:
        raise ConfigError(_refused[asked][1])
    with _remembered(asked), _quiet(), _explained(str(path), local):
        if isinstance(path, Path):
            saved = any((path / name).exists() for name in ("dataset_dict.json", "state.json"))
            if config and (saved or path.is_file()):
                raise ConfigError(f"data.config={config}: {path.name} has no parts to choose from. Leave it out.")
            if path.is_file():
                found: Any = datasets.load_dataset(_reader(path), data_files=str(path))
            elif saved:
                found = datasets.load_from_disk(str(path))
            else:
                found = datasets.load_dataset(str(path), config)
        else:
            found = datasets.load_dataset(path, config, revision=revision)
    return dict(found) if isinstance(found, dict) else {"all": found}


@contextmanager
def _remembered(asked: tuple[str, str | None, str | None]) -> Iterator[None]:
    """Note why the hub did not give a data set: it takes the library half a minute to give up."""
    try:
        yield
    except ConfigError as error:
        if isinstance(error.__cause__, ConnectionError):
            _refused[asked] = time.monotonic(), str(error)
        raise


def _reader(path: Path) -> str:
    readers = {".parquet": "parquet", ".csv": "csv", ".json": "json", ".jsonl": "json", ".arrow": "arrow"}
    if path.suffix not in readers:
        raise ConfigError(
            f"data.path={path.name}: data=hub reads a folder, or a file that ends in {', '.join(readers)}."
        )
    return readers[path.suffix]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's loggers still: what matters is in the sentence."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def _explained(path: str, local: bool) -> Iterator[None]:
    from datasets.exceptions import DatasetNotFoundError, DatasetsError

    try:
        yield
    except ConfigError:
        raise
    except DatasetNotFoundError as error:
        way_out = (
            "Put parquet files, or images in folders, into it."
            if local
            else f"Is the name right? A private or gated one needs a login: hf auth login. {_cached()}"
        )
        raise ConfigError(f"data.path={path}: {_said(error)}. {way_out}") from error
    except ConnectionError as error:
        raise ConfigError(
            f"data.path={path}: the Hugging Face hub cannot be reached, and this data set is not cached here. "
            f"{_cached()} A local folder in the hub's layout does as well."
        ) from error
    except (ValueError, OSError, RuntimeError, LookupError, TypeError, DatasetsError) as error:
        said = _said(error.__cause__ if isinstance(error, DatasetsError) and error.__cause__ else error)
        if "scripts are no longer supported" in said:
            raise ConfigError(
                f"data.path={path}: this data set brings code of its own, which is not run. Look for one that was "
                "converted to parquet."
            ) from error
        pick = " Write data.config=NAME." if "onfig name is missing" in said or "BuilderConfig" in said else ""
        raise ConfigError(f"data.path={path} cannot be loaded: {said}.{pick}") from error


def _said(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")[:600] or type(error).__name__


def _cached() -> str:
    """Say which data sets of the hub are here."""
    from datasets import config

    root = Path(config.HF_DATASETS_CACHE)
    names = [each.name.replace("___", "/") for each in sorted(root.glob("*___*")) if any(each.glob("*/*/*"))]
    return f"Cached in {root}: {listed(names)}." if names else f"Nothing is cached in {root}."
