"""What a run changes in its process, put back afterwards: a run may be one cell of a notebook."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ablate import environment
from ablate.random_state import isolated


@contextmanager
def process_state(threads: int) -> Iterator[None]:
    """Limit torch's threads, and give back the process as it was.

    Lightning ignores Ctrl-C for good once it was pressed, leaves torch deterministic, and notes seeds in the
    environment.
    """
    before = torch.get_num_threads()
    deterministic = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    handler = signal.getsignal(signal.SIGINT)
    torch.set_num_threads(threads)
    try:
        with environment.kept("PL_GLOBAL_SEED", "PL_SEED_WORKERS", "CUBLAS_WORKSPACE_CONFIG"), isolated():
            yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(deterministic[0], warn_only=deterministic[1])
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's remarks on hardware and good practice: a sweep would repeat them for every run."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(level)
