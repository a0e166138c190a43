"""What a class has to be to become an option: checked when it is registered, with the mend in the message."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ablate.errors import PluginError, did_you_mean
from ablate.techniques import KINDS, Technique
from ablate.wrapping import wrapping_of

REQUIRED = {"init": "fill", "data": "load"} | dict.fromkeys(
    ("act", "norm", "pool", "opt", "loss", "sched", "model"), "build"
)
"""The method that an option of each kind has to write; a regularizer writes any of several."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def kind_of(name: str, technique: Any) -> str:
    """Return the kind that ``technique`` belongs to; raise ``PluginError`` if it is none, or ``name`` no name."""
    if not (inspect.isclass(technique) and issubclass(technique, Technique) and technique.kind in KINDS):
        bases = ", ".join(base.__name__ for base in KINDS.values())
        raise PluginError(
            f"{getattr(technique, '__module__', '?')} registers {technique!r} as '{name}', which is no technique. "
            f"Derive a dataclass from one of ablate.techniques: {bases}."
        )
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(
            f"{technique.__module__} registers {technique.kind}='{name}': a name is made of letters, digits and _."
        )
    return technique.kind


def check_dataclass(cls: type[Technique], source: str) -> None:
    """Refuse what structured configs would drop or mangle without a word; ``source`` says where the class is from."""
    fields = {f.name for f in dataclasses.fields(cls)}
    own = [n for n in inspect.get_annotations(cls) if "ClassVar" not in str(inspect.get_annotations(cls)[n])]
    if missing := [n for n in own if n not in fields]:
        raise PluginError(
            f"{source}: {cls.__name__} declares {', '.join(missing)}, but is no dataclass itself, "
            "so these parameters would be lost. Write @dataclass above the class."
        )
    if bare := [f.name for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING]:
        raise PluginError(f"{source}: {cls.__name__}.{bare[0]} has no default: every parameter needs one.")
    method = REQUIRED.get(cls.kind)
    if method and getattr(cls, method) is getattr(KINDS[cls.kind], method):
        own_methods = [n for n, value in vars(cls).items() if callable(value)]
        hint = did_you_mean(method, own_methods)
        raise PluginError(f"{source}: {cls.__name__} has no method {method}(), which every {cls.kind} needs.{hint}")
    if not summary(cls) or summary(cls).startswith(f"{cls.__name__}("):
        raise PluginError(f"{source}: {cls.__name__} needs a docstring; its first line is shown in --help.")
    try:
        json.dumps(OmegaConf.to_container(structured(cls), enum_to_str=True))
    except Exception as error:  # an annotation that cannot be resolved, a default that cannot be made, …
        raise PluginError(
            f"{source}: {cls.__name__} has a parameter that cannot be given on the command line "
            f"({first_line(error)}). Use bool, int, float, str, Enum, or lists, dicts and optionals of them."
        ) from error


_STRUCTURED: dict[type[Technique], DictConfig] = {}


def structured(cls: type[Technique]) -> DictConfig:
    """Return the structured config of a class, made once: to be copied, not changed."""
    if cls not in _STRUCTURED:
        _STRUCTURED[cls] = OmegaConf.structured(cls)
    return _STRUCTURED[cls]


def summary(cls: type[Technique]) -> str:
    """Return the first line of the docstring."""
    return (inspect.getdoc(cls) or "").split("\n", 1)[0]


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its type where it has none."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def source_version(technique: type[Technique]) -> str:
    """Return a digest of the class's source: what a session registers has no version, but its runs depend on it."""
    wrapping = wrapping_of(technique)
    parts: list[Any] = [technique] if wrapping is None else list(wrapping.targets)
    try:
        source = "".join(inspect.getsource(part) for part in parts)
    except (OSError, TypeError):  # typed into a console that keeps no source
        return "0"
    return hashlib.sha256((source + ("" if wrapping is None else wrapping.constants)).encode()).hexdigest()[:8]


def origin(technique: type[Technique]) -> tuple[str, ...]:
    """Return the module and name of the class, or of what it wraps: equal for two editions of one definition."""
    wrapping = wrapping_of(technique)
    classes: tuple[Any, ...] = (technique,) if wrapping is None else wrapping.targets
    return tuple(f"{c.__module__}:{c.__qualname__}" for c in classes)
