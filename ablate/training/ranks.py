"""One run on several devices of this machine: a process for each, of which the first holds the record.

Lightning's own launcher calls the command line again in every process, which would begin the whole sweep again. So
the others are started here, call the same training, and meet in ``torch.distributed``.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import IO

import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment

from ablate.config import Config, TrainerConfig
from ablate.session import pack
from ablate.training.checkpoints import Saved
from ablate.training.machine import check_shares

_HERE = "127.0.0.1"
_COMMAND = [sys.executable, "-m", "ablate.training.rank"]
_POLL_SECONDS = 0.02
_MEET_SECONDS = 120.0
"""How long the processes may take to meet once all are ready."""
_END_SECONDS = 30.0
"""How long the others may take to end once the first has."""


class Ranks(ClusterEnvironment):
    """Tells Lightning which of the processes this is; they are there already."""

    def __init__(self, rank: int, world: int, port: int) -> None:
        super().__init__()
        self.rank, self.world, self.port = rank, world, port

    @property
    def creates_processes_externally(self) -> bool:
        """They are started here."""
        return True

    @property
    def main_address(self) -> str:
        """This machine."""
        return _HERE

    @property
    def main_port(self) -> int:
        """Where the first process listens."""
        return self.port

    @staticmethod
    def detect() -> bool:
        """It is asked for, never found."""
        return False

    def world_size(self) -> int:
        """How many there are."""
        return self.world

    def set_world_size(self, size: int) -> None:
        """It is known."""

    def global_rank(self) -> int:
        """Which this is."""
        return self.rank

    def set_global_rank(self, rank: int) -> None:
        """It is known."""

    def local_rank(self) -> int:
        """Which this is on its machine."""
        return self.rank

    def node_rank(self) -> int:
        """There is one machine."""
        return 0

    def meet(self, trainer: TrainerConfig, look: Callable[[], None] = lambda: None) -> None:
        """Wait for the others; from here on the death of one is an error in all.

        The first process calls ``look`` while it waits, which raises where one of them has ended. Raises
        ``RuntimeError`` where they do not come.
        """
        on_gpu = trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        if on_gpu:
            torch.cuda.set_device(self.rank)
        store = dist.TCPStore(  # type: ignore[attr-defined]  # torch does not list it
            _HERE, self.port, is_master=self.rank == 0, timeout=timedelta(seconds=_MEET_SECONDS), wait_for_workers=False
        )
        come, limit = store.add("come", 1), time.monotonic() + _MEET_SECONDS
        while self.rank == 0 and come < self.world:
            look()
            if time.monotonic() > limit:
                raise RuntimeError(f"Only {come} of {self.world} processes have come within {_MEET_SECONDS:.0f} s.")
            time.sleep(_POLL_SECONDS)
            come = store.add("come", 0)
        dist.init_process_group("nccl" if on_gpu else "gloo", store=store, rank=self.rank, world_size=self.world)


class Other:
    """One of the other processes."""

    def __init__(self, ranks: Ranks, config: Config, saved: Saved | None) -> None:
        self.rank = ranks.rank
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed in end()
        self._process = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            start_new_session=True,  # Ctrl-C is for the first
        )
        packed = pack((config, saved, ranks.rank, ranks.world, ranks.port))
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # await_ready says why
            self._process.stdin.write(len(packed).to_bytes(8) + packed)
            self._process.stdin.flush()  # and stays open: its end tells the other that this process is gone

    def await_ready(self) -> None:
        """Wait until it has imported what it needs; raise ``RuntimeError`` where it cannot."""
        assert self._process.stdout is not None
        if not self._process.stdout.read(1):
            raise RuntimeError(self.failure(_END_SECONDS) or "it ended")

    def failure(self, seconds: float) -> str | None:
        """Return what it failed of, where it has or does so within ``seconds``."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return f"device {self.rank}: {lines[-1] if lines else f'exit status {status}'}" if status else None

    def end(self, seconds: float) -> None:
        """Wait for its end, and bring it about after ``seconds``."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()


@contextlib.contextmanager
def together(config: Config, saved: Saved | None) -> Iterator[Ranks | None]:
    """Start the other processes of a run on several devices; none of them is left afterwards.

    Raises ``RuntimeError`` with what happened there where one of them fails.
    """
    world = config.trainer.devices
    if world == 1:
        yield None
        return
    check_shares(config)
    with socket.socket() as probe:
        probe.bind((_HERE, 0))
        port = probe.getsockname()[1]
    others: list[Other] = []
    patience = 0.0
    try:
        others += [Other(Ranks(rank, world, port), config, saved) for rank in range(1, world)]
        for other in others:
            other.await_ready()
        ranks = Ranks(0, world, port)
        ranks.meet(config.trainer, lambda: _look(others))
        yield ranks
        patience = _END_SECONDS
    except RuntimeError as error:
        causes = [cause for other in others if (cause := other.failure(5.0)) and not _of_connection(cause)]
        if causes and _of_connection(str(error)):
            raise RuntimeError(causes[0]) from error
        raise
    finally:
        for other in others:
            other.end(patience)
        if dist.is_initialized():
            dist.destroy_process_group()


def _look(others: Sequence[Other]) -> None:
    """Raise ``RuntimeError`` where one of them has ended."""
    for other in others:
        if cause := other.failure(0):
            raise RuntimeError(cause)


def _of_connection(text: str) -> bool:
    """Whether this is what a process says when another is gone."""
    return any(word in text.lower() for word in ("gloo", "nccl", "connection", "torch.distributed"))
