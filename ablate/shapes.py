"""Files that somebody else may have written: read as plain data of the shape that is expected, or not at all."""

from __future__ import annotations

import json
import math
import re
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

LARGEST = 2**24
"""Bytes: a record is a few thousand."""
MOST = 2**63
"""No whole number is as large."""
FAR = 1e100
"""Nor any other: float32 has long ended there, and squares still have room."""
_SIGNS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """Return text without signs that steer a terminal, turn the direction of reading, or are half a character."""
    return _SIGNS.sub("\ufffd", text)


def read_text(path: Path) -> str:
    """Return the content of a file; raise ``OSError`` or ``ValueError`` where it is no text, or far too large."""
    if not path.is_file():  # a pipe would be waited for
        raise FileNotFoundError(f"there is no file {path.name}")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 2**20} MiB")
    return path.read_text(encoding="utf-8")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; raise ``OSError`` or ``ValueError`` where it is none, or far too large."""
    text = read_text(path)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def shaped(content: Any, of: type[T]) -> T:
    """Return the dataclass that ``content`` describes; names that it has not, of a later version, are left out.

    Raises ``ValueError`` that says which field is missing, or not of the type that it is declared with. Texts are
    ``clean``, numbers are finite.
    """
    if not isinstance(content, dict):
        raise ValueError("it is no object")
    known: dict[str, Any] = _hints(of)  # type: ignore[arg-type]
    given = {}
    for one in fields(of):  # type: ignore[arg-type]
        if one.name in content:
            try:
                given[one.name] = _typed(content[one.name], known[one.name])
            except (TypeError, ValueError, RecursionError) as error:
                told = str(error) or f"not {clean(repr(content[one.name])[:40])}"
                raise ValueError(f"{one.name}: {told}") from error
        elif one.default is MISSING and one.default_factory is MISSING:
            raise ValueError(f"it lacks {one.name}")
    return of(**given)


@cache
def _hints(of: type) -> dict[str, Any]:
    return typing.get_type_hints(of)


def _typed(value: Any, hint: Any) -> Any:
    """Return a value of JSON as its declaration has it; raise ``TypeError`` or ``ValueError`` where it is another."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return _anything(value)
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, inner)
    if origin is list and isinstance(value, list):
        return [_typed(one, inner[0]) for one in value]
    if origin is dict and isinstance(value, dict):
        return {clean(str(key)): _typed(one, inner[1]) for key, one in value.items()}
    if isinstance(hint, type):
        if is_dataclass(hint):
            return shaped(value, hint)
        if issubclass(hint, StrEnum):
            return hint(value)
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(_anything(value))
        if type(value) is hint:
            return _anything(value)
    raise TypeError


def _one_of(value: Any, hints: tuple[Any, ...]) -> Any:
    for hint in hints:
        try:
            return _typed(value, hint)
        except (TypeError, ValueError):
            continue
    raise TypeError


def _anything(value: Any) -> Any:
    """Return any value of JSON, texts clean; raise ``ValueError`` for a number that is none."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_anything(one) for one in value]
    if isinstance(value, dict):
        return {clean(str(key)): _anything(one) for key, one in value.items()}
    if isinstance(value, float) and not (math.isfinite(value) and abs(value) <= FAR):
        raise ValueError
    if isinstance(value, int) and abs(value) >= MOST:
        raise ValueError
    return value
