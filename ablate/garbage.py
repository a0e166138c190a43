"""Python's garbage collector, while nothing becomes garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage within, and never look again at what there is by the end.

    Importing torch and composing configurations make a million objects that stay: to look through them again and again
    takes a third of the time. In a process that is forked afterwards it would copy their memory, too.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()
            gc.enable()
