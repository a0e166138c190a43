"""Parameters to check a technique with: valid ones near the defaults, made-up ones, and wrong ones."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from ablate.techniques import Technique

EXAMPLES = 10
_SETTINGS = settings(
    max_examples=EXAMPLES,
    derandomize=True,  # the same parameters on every machine
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def neighbours(cls: type[Technique]) -> Iterator[Technique]:
    """Yield the defaults, and then every technique in which one parameter differs from them and is accepted."""
    yield cls()
    for name, default in _defaults(cls).items():
        for value in _others(_hint(cls, name), default):
            try:
                yield cls(**{name: value})
            except ValueError:
                continue


def for_generated(cls: type[Technique], check: Callable[[Technique], None]) -> None:
    """Call ``check`` with techniques of made-up parameters; a failure is shown with the simplest ones that fail.

    Parameters that ``__post_init__`` refuses with a ``ValueError`` are not valid, and so not tried.
    """
    defaults = _defaults(cls)
    choices = {name: st.just(d) | _strategy(_hint(cls, name), d) for name, d in defaults.items()}

    @_SETTINGS
    @given(st.fixed_dictionaries(choices))
    def generated(parameters: dict[str, Any]) -> None:
        try:
            technique = cls(**parameters)
        except ValueError:
            reject()
        check(technique)

    if defaults:
        generated()


def wrong(cls: type[Technique]) -> Iterator[tuple[str, Any]]:
    """Yield (parameter, value) for values that few parameters can take: not finite, negative, zero, empty."""
    for name, default in _defaults(cls).items():
        yield from ((name, value) for value in _wrong(_hint(cls, name), default))


def _defaults(cls: type[Technique]) -> dict[str, Any]:
    made = cls()
    return {f.name: getattr(made, f.name) for f in dataclasses.fields(cls)}


def _hint(cls: type[Technique], name: str) -> Any:
    """Return the type of a parameter, without its ``| None``."""
    hint = get_type_hints(cls)[name]
    if get_origin(hint) in (Union, types.UnionType):
        (hint, *_) = [part for part in get_args(hint) if part is not type(None)]
    return hint


def _others(hint: Any, default: Any) -> list[Any]:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [member for member in hint if member is not default]
    if hint is bool:
        return [not default]
    if hint is int:
        return [(default or 1) + 1]
    return [2 * default if default else 0.5, (default or 0.5) / 2] if hint is float else []


def _strategy(hint: Any, default: Any) -> st.SearchStrategy[Any]:
    """Return values of the size that people try: near the default, and small."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    if hint is bool:
        return st.booleans()
    if hint is int:
        near = default or 1
        return st.sampled_from(sorted({0, 1, 2, 3, near - 1, near + 1, 2 * near}))
    if hint is float:
        near = float(default or 1.0)
        return st.sampled_from([0.0, 0.5, 1.0, near / 2, 2 * near]) | st.floats(1e-3, 2.0, allow_subnormal=False)
    if get_origin(hint) is list:
        (inner,) = get_args(hint)
        return st.lists(_strategy(inner, (default or [1])[0]), min_size=1, max_size=2)
    return st.just(default)  # words, and what has no type


def _wrong(hint: Any, default: Any) -> list[Any]:
    if hint is float:
        return [math.nan, math.inf, -math.inf, -1.0, 0.0]
    if hint is int:
        return [-1, 0]
    if get_origin(hint) is list:
        (inner,) = get_args(hint)
        return [[], *([value] for value in _wrong(inner, None))]
    return []
