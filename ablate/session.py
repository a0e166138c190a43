"""What a session has registered, sent along with what is trained elsewhere.

Installed plugins, and files named by ``--plugin``, are found again in any process. What a notebook or a script
registered exists in its own process alone: its classes are pickled by value, so that the receiver needs no module.
"""

from __future__ import annotations

import contextlib
import copyreg
import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import cloudpickle

from ablate import files, wrapping
from ablate.discovery import SESSION
from ablate.registry import Option, registry
from ablate.techniques import KINDS
from ablate.wrapping.provenance import distribution_of

# A class that is pickled by value takes its fields along, and for these a field without a default is one whose default
# is this very object: a copy of it would be a default.
copyreg.pickle(type(dataclasses.MISSING), lambda _: "MISSING")


def pack(message: Any) -> bytes:
    """Pickle ``message`` for :func:`unpack` in another process, which then has the options of this session."""
    options = [o for kind in KINDS for o in registry().options(kind).values() if o.distribution == SESSION]
    with _by_value(options):
        told = [(option.name, option.cls, option.version) for option in options]
        inner = cloudpickle.dumps((told, message))
    packed: bytes = cloudpickle.dumps((os.environ.get(files.VARIABLE), inner))
    return packed


def unpack(packed: bytes) -> Any:
    """Return the message of :func:`pack`, once all that it is made of is registered here."""
    named, inner = cloudpickle.loads(packed)
    if named:
        os.environ[files.VARIABLE] = named
        for path in files.named():
            registry().load_file(path, strict=False)
    told, message = cloudpickle.loads(inner)
    for name, technique, version in told:
        registry().add(name, technique, SESSION, version)
    return message


@contextlib.contextmanager
def _by_value(options: Sequence[Option]) -> Iterator[None]:
    """Have the classes of ``options``, and the modules that they are written in, pickled by value."""
    wrapped = [option.cls for option in options if wrapping.wrapping_of(option.cls)]
    places = {cls: cls.__module__ for cls in wrapped}
    modules = {sys.modules[module] for option in options for module in _modules(option.cls) if module in sys.modules}
    try:
        for cls in wrapped:
            cls.__module__ = "__main__"  # which is never looked up: a class of the registry would be, by its name
        for module in modules:
            cloudpickle.register_pickle_by_value(module)
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
        for cls, place in places.items():
            cls.__module__ = place


def _modules(cls: type) -> set[str]:
    """Return the modules that the class comes from and that only this session may have."""
    made_from = wrapping.wrapping_of(cls)
    parts = made_from.targets if made_from else (cls,)
    return {part.__module__ for part in parts if distribution_of(part) is None} - {"__main__", "builtins"}
