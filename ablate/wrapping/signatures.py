"""From the signature of somebody's class to parameters that a command line can give."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Optional, Union

NO_HYPERPARAMETERS = frozenset(
    {
        *("inplace", "device", "dtype", "generator", "out", "verbose", "process_group", "last_epoch"),
        *("foreach", "fused", "maximize", "capturable", "differentiable"),
        *("reduction", "reduce", "size_average", "return_indices"),
    }
)
"""Parameters that say where and how to compute, or that would break a kind's contract: left at their defaults."""

_SCALARS = (float, int, bool, str)  # of a union the first that fits: what takes floats takes whole numbers
_SEQUENCES = (tuple, list, Sequence, typing.Iterable.__origin__)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Parameter:
    """One field of an option, and how its value goes back to the class."""

    name: str
    type: Any
    """As structured configs know it."""
    default: Any
    choices: tuple[Any, ...] = ()
    lengths: tuple[int, ...] = ()
    """How many values a sequence may have; empty where any number is fine."""
    number: bool = False
    """A number, whole or not: no annotation said which, and the default is whole."""
    sequence: Callable[[list[Any]], Any] | None = None
    """What the class wants in place of a list."""

    def check(self, value: Any) -> None:
        """Raise ``ValueError`` for a value that the signature excludes and its type does not."""
        if self.choices and value is not None and value not in self.choices:
            raise ValueError(f"{self.name} must be one of {', '.join(map(str, self.choices))}, not {value}")
        if self.lengths and value is not None and len(value) not in self.lengths:
            raise ValueError(f"{self.name} takes {' or '.join(map(str, self.lengths))} values, not {len(value)}")
        if self.number and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"{self.name} must be a number, not {value!r}")

    def passed(self, value: Any) -> Any:
        """Return the value as the class takes it."""
        return value if self.sequence is None or value is None else self.sequence(list(value))


def resolved_annotations(target: Callable[..., Any], signature: inspect.Signature) -> dict[str, Any]:
    """Return what each parameter is annotated with, ``Any`` where it is not, or by a name that cannot be found."""
    function: Any = inspect.unwrap(target.__init__ if isinstance(target, type) else target)  # type: ignore[misc]
    names = getattr(function, "__globals__", {})
    return {name: _resolved(p.annotation, names) for name, p in signature.parameters.items()}


def _resolved(annotation: Any, names: Mapping[str, Any]) -> Any:
    if annotation is inspect.Parameter.empty:
        return Any
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, dict(names))["it"]
    except Exception:  # a name that exists for type checkers only
        return Any


def parameter(name: str, annotation: Any, default: Any) -> Parameter | None:
    """Return a parameter as a field, or None where no command line can give it."""
    members = _members(annotation)
    if isinstance(default, Enum):
        return Parameter(name, type(default), default)
    if isinstance(default, tuple | list):
        return _sequence(name, members, default)
    choices = tuple(choice for m in members if typing.get_origin(m) is Literal for choice in typing.get_args(m))
    if choices and (default is None or default in choices) and len(kinds := {type(c) for c in choices}) == 1:
        kind = kinds.pop()
        return Parameter(name, kind if default is not None else Optional[kind], default, choices)  # noqa: UP045
    scalars = [kind for kind in _SCALARS if kind in members]
    if default is None:
        return _unset(name, members, scalars)
    fitting = [kind for kind in scalars if _fits(default, kind)]
    if fitting:
        kind = fitting[0]
        return Parameter(name, Optional[kind] if type(None) in members else kind, kind(default))  # noqa: UP045
    if type(default) is int:
        return Parameter(name, Any, default, number=True)
    return Parameter(name, type(default), default) if type(default) in _SCALARS else None


def _members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, of any depth, or the annotation alone."""
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return tuple(m for part in typing.get_args(annotation) for m in _members(part))
    return (annotation,)


def _fits(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind


def _unset(name: str, members: Sequence[Any], scalars: Sequence[type]) -> Parameter | None:
    """Return a parameter whose default is None: what else it may be stands in the annotation or nowhere."""
    kinds = [*scalars, *(m for m in members if isinstance(m, type) and issubclass(m, Enum))]
    return Parameter(name, Optional[kinds[0]], None) if kinds else None  # noqa: UP045


def _sequence(name: str, members: Sequence[Any], default: Sequence[Any]) -> Parameter | None:
    shapes = [typing.get_args(m) for m in members if typing.get_origin(m) in _SEQUENCES]
    elements = [e for shape in shapes for part in shape for e in _members(part)]
    kinds = [kind for kind in _SCALARS if kind in elements or any(type(value) is kind for value in default)]
    kinds = [kind for kind in kinds if all(value is None or _fits(value, kind) for value in default)]
    if not kinds:
        return None
    kind, optional = kinds[0], None in default or type(None) in elements
    fixed = shapes and all(Ellipsis not in shape and len(shape) > 1 for shape in shapes)
    return Parameter(
        name,
        list[Optional[kind]] if optional else list[kind],  # type: ignore[valid-type]  # noqa: UP045
        [None if value is None else kind(value) for value in default],
        lengths=tuple(sorted({len(shape) for shape in shapes} | {len(default)})) if fixed else (),
        sequence=type(default),
    )
