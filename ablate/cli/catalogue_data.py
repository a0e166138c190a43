"""The options that can be chosen, as data; imports neither torch, lightning nor pandas."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Sequence
from enum import Enum
from typing import Any

from ablate.composition import defaults
from ablate.registry import Option, registry
from ablate.techniques import KINDS

SCHEMA = 1


def document(asked: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the kinds with their options: those that were ``asked`` for, each a kind and the name of an option, which
    may be empty for all of the kind.
    """
    chosen = defaults()
    kinds = []
    for kind in dict.fromkeys(kind for kind, _ in asked) if asked else KINDS:
        names = [name for one, name in asked if one == kind]
        options = [registry().get(kind, name) for name in (names if names and all(names) else registry().options(kind))]
        kinds.append(
            {
                "kind": kind,
                "summary": (inspect.getdoc(KINDS[kind]) or "").partition("\n")[0],
                "default": chosen[kind],
                "options": [_option(one) for one in options],
            }
        )
    broken = [{"what": str(one), "why": one.reason} for one in registry().broken]
    return {"schema": SCHEMA, "kinds": kinds, "broken": broken}


def _option(option: Option) -> dict[str, Any]:
    prefix = f"reg.{option.name}" if option.kind == "reg" else option.kind
    return {
        "name": option.name,
        "summary": option.summary,
        "doc": inspect.getdoc(option.cls) or "",
        "module": option.cls.__module__,
        "distribution": option.distribution,
        "version": option.version,
        "parameters": [_parameter(option.cls, prefix, one) for one in option.fields],
    }


def _parameter(cls: type, prefix: str, field: dataclasses.Field[Any]) -> dict[str, Any]:
    made = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    required = made is dataclasses.MISSING
    annotation, choices = type_of(cls, field.name)
    return {
        "key": f"{prefix}.{field.name}",
        "type": annotation,
        "choices": choices,
        "required": required,
        "default": None if required else _plain(made),
    }


def type_of(cls: type, name: str) -> tuple[str, list[str] | None]:
    """Return a parameter's type in words, and the choices of an Enum."""
    owner = next(base for base in cls.__mro__ if name in inspect.get_annotations(base))
    annotation = inspect.get_annotations(owner).get(name)
    resolved = annotation if isinstance(annotation, type) else vars(inspect.getmodule(owner)).get(str(annotation))
    if isinstance(resolved, type) and issubclass(resolved, Enum):
        return resolved.__name__, [member.name for member in resolved]
    return (annotation.__name__ if isinstance(annotation, type) else str(annotation)), None


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
