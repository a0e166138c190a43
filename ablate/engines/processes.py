"""Starting worker processes: from a server that has imported torch and lightning once, and without the caller's script.

A process that has used torch must not be forked, so a fresh one, which has imported but computed nothing, is forked
instead. Systems without such a server start every worker from nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pkgutil import resolve_name
from typing import Any

from ablate import environment
from ablate.errors import EngineError

METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
CONTEXT: Any = multiprocessing.get_context(METHOD)


def warm_up() -> None:
    """Start to import what workers need, in the background; free to call where no worker is started afterwards."""
    if METHOD == "forkserver":
        from multiprocessing import forkserver  # only where there is one

        CONTEXT.set_forkserver_preload(["ablate.engines.preload"])
        with _no_script(), _no_interruption(), _our_environment(), suppress(OSError):
            forkserver.ensure_running()


def start(target: str, *arguments: object) -> BaseProcess:
    """Start a process that calls ``target``, ``module:function``; raise ``EngineError`` where the system refuses.

    The module is imported there only: who starts workers need not wait for what they import.
    """
    warm_up()
    process: BaseProcess = CONTEXT.Process(target=_call, args=(target, *arguments), name="ablate-worker")
    try:
        with _no_script():
            process.start()
    except (OSError, EOFError, AssertionError) as error:
        reason = str(error) or type(error).__name__
        raise EngineError(f"No worker process can be started ({reason}). workers=0 trains in this process.") from error
    return process


def _call(target: str, *arguments: object) -> None:
    resolve_name(target)(*arguments)


_REPLACED = threading.Lock()


@contextmanager
def _no_script() -> Iterator[None]:
    """Hide the caller's script, which a new process would import: it may be what calls us, with nothing in between."""
    with _REPLACED:
        script = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = script


_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**29)}
"""Has glibc keep what was freed for the next batch, which needs as much: to be given the pages of large tensors anew by
the system, again and again, takes half the time of an evaluation."""


@contextmanager
def _our_environment() -> Iterator[None]:
    """Have the server import what this process would: it takes ``sys.path`` from the environment alone."""
    ours = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONSAFEPATH": "1"}
    ours |= {name: value for name, value in _MEMORY.items() if name not in os.environ}
    with environment.kept(*ours):
        os.environ.update(ours)
        yield


@contextmanager
def _no_interruption() -> Iterator[None]:
    """Start processes deaf to the terminal's Ctrl-C, which goes to all of them: the parent decides what it means."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
