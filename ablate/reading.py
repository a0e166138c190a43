"""Reading ahead: while one batch is trained on, threads read the next ones; they come in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Asked = TypeVar("Asked")
Got = TypeVar("Got")

READERS = 2
AHEAD = 4
"""Batches that are read before they are asked for."""


def read_ahead(read: Callable[[Asked], Got], asked: Sequence[Asked], parallel: bool) -> Iterator[Got]:
    """Yield ``read`` of each of ``asked``, in order; unless ``parallel``, each is read when it is its turn.

    Threads rather than processes: what they do, copying from files and arithmetic on tensors, leaves Python's lock
    alone, nothing has to be sent, and a run that is itself a process of a sweep starts no further ones.
    """
    if not parallel:
        yield from map(read, asked)
        return
    waiting: deque[Future[Got]] = deque()
    rest = iter(asked)
    with ThreadPoolExecutor(READERS, thread_name_prefix="ablate-reader") as readers:
        try:
            waiting.extend(readers.submit(read, each) for each in islice(rest, AHEAD))
            while waiting:
                got = waiting.popleft().result()
                waiting.extend(readers.submit(read, each) for each in islice(rest, 1))
                yield got
        finally:
            readers.shutdown(wait=False, cancel_futures=True)
