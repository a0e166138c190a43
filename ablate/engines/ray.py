"""The engine of many machines: each run, or several in step, is a Ray task, on this machine or on a cluster.

Ray is an extra and takes half a second to import, so it is imported where it is used. The tasks import this module by
its name: every node needs the same ``lightning-ablate``, and the output folder at the same absolute path.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ablate.config import Config
from ablate.engines.engine import Watch
from ablate.engines.groups import Group, grouped
from ablate.engines.planned import PlannedRun
from ablate.engines.sizes import in_step
from ablate.errors import ConfigError
from ablate.session import pack, unpack
from ablate.stop import Stop

_OBJECTS = 80 * 2**20  # bytes of shared memory, of a Ray that is started here: what is sent is small
_POLL = 0.5  # seconds


class Board:
    """The one place that all tasks can reach: an actor beside the driver, which tells what begins and takes a stop."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()
        self._news: list[int] = []
        self._stopped = False

    def begin(self, number: int) -> int:
        """Note that a run begins; return how often it has, on workers that died, or 0 where it is not to begin."""
        if self._stopped:
            return 0
        self._begun[number] += 1
        if self._begun[number] == 1:
            self._news.append(number)
        return self._begun[number]

    def news(self) -> list[int]:
        """Return the runs that have begun since the last call."""
        news, self._news = self._news, []
        return news

    def stop(self) -> None:
        """Ask all tasks to stop."""
        self._stopped = True

    def stopped(self) -> bool:
        """Whether the tasks are to stop."""
        return self._stopped


@dataclasses.dataclass(frozen=True)
class RayEngine:
    """Trains runs as Ray tasks; a task whose worker or node dies is repeated, at most ``max_retries`` times.

    ``address`` is that of a cluster, ``auto`` the one that this machine belongs to. Without one, and without
    ``RAY_ADDRESS`` in the environment, Ray is started here and ended afterwards. A run takes as many CPUs as
    ``trainer.threads`` for each of its devices and, where the cluster has GPUs, one of them together with
    ``runs_per_gpu - 1`` others, or ``trainer.devices`` of them alone. Runs of one graph are a task and train in step,
    as ``stack`` says: off, auto, which is measured here, or how many at most.
    """

    address: str | None = None
    max_retries: int = 3
    runs_per_gpu: int = 1
    stack: str | int = 1

    def train(self, runs: Sequence[PlannedRun], watch: Watch, stop: Stop, *, wait: bool = False) -> None:
        """Train ``runs`` wherever there is room; at a request to ``stop``, those that train leave a checkpoint."""
        with _connected(self.address) as ray:
            self._train(ray, runs, watch, stop, wait)

    def _train(self, ray: Any, runs: Sequence[PlannedRun], watch: Watch, stop: Stop, wait: bool) -> None:
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(),
            soft=False,  # or else Ray takes another node as it likes, and the board dies with that one
        )
        board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()
        task = ray.remote(_task)
        cluster: dict[str, float] = ray.cluster_resources()
        submitted: list[Group] = []
        pending: dict[Any, int] = {}

        def submit(group: Group, wait: bool) -> None:
            # What training raises is in the record: only a death is worth another try.
            needs = self.resources(group[0].config, cluster)
            options = task.options(max_retries=self.max_retries, retry_exceptions=False, **needs)
            sent = [dataclasses.replace(planned, config=planned.config.elsewhere()) for planned in group]
            pending[options.remote(pack(sent), len(submitted), wait, board)] = len(submitted)
            submitted.append(group)

        begun: set[int] = set()
        shown: set[tuple[str, int]] = set()
        stopping = False
        try:
            groups = self.groups(runs, cluster, wait=wait)
            watch.waiting()
            for group in groups:
                submit(group, wait)
            while pending:
                ready, _ = ray.wait(list(pending), timeout=_POLL)
                asked = stop.requested and not stopping
                if asked:
                    stopping = True
                    ray.get(board.stop.remote())  # first: what has not begun by the news below never does
                for number in ray.get(board.news.remote()):
                    begun.add(number)
                    for planned in submitted[number]:
                        if planned.key not in shown:
                            shown.add(planned.key)
                            watch.started(planned)
                for reference in ready:
                    number = pending.pop(reference)
                    group = submitted[number]
                    left_out, died = _outcome(ray, reference, len(group))
                    for planned, why in zip(group, left_out, strict=True):
                        done = died and planned.record().is_done
                        if died and not done and len(group) > 1 and not stopping:
                            # nobody knows whose fault it was, and the dead worker may seem to hold the run
                            submit((dataclasses.replace(planned, again=False),), True)
                        elif planned.key in shown or (why and not stopping):
                            watch.ended(planned, None if done else why)
                if asked:  # where there is no room it would wait for ever
                    for reference in [each for each, number in pending.items() if number not in begun]:
                        ray.cancel(reference)
        finally:  # where a second Ctrl-C did not wait
            for reference in pending:
                ray.cancel(reference, force=True)
            ray.kill(board)

    def groups(self, runs: Sequence[PlannedRun], cluster: dict[str, float], *, wait: bool = False) -> list[Group]:
        """Return ``runs`` as they train in step on a ``cluster`` with these resources; where they ``wait``, alone."""

        def size(own: Sequence[PlannedRun]) -> int:
            needs = self.resources(own[0].config, cluster)
            if self.stack == "auto" and needs["num_gpus"]:
                return 1  # this machine may have none to measure on
            gpus = cluster.get("GPU", 0) / needs["num_gpus"] if needs["num_gpus"] else math.inf
            return in_step(self.stack, own, max(1, int(min(gpus, cluster.get("CPU", 0) / needs["num_cpus"]))))

        return grouped(runs, lambda own: 1 if wait else size(own))

    def resources(self, config: Config, cluster: dict[str, float]) -> dict[str, float]:
        """Return what Ray has to reserve for a run in a ``cluster`` with these resources."""
        t = config.trainer
        on_gpu = t.accelerator in ("gpu", "cuda") or (t.accelerator == "auto" and cluster.get("GPU", 0) > 0)
        gpus = float(t.devices) if t.devices > 1 else 1 / self.runs_per_gpu  # Ray has no share of several
        return {"num_cpus": t.threads * t.devices, "num_gpus": gpus if on_gpu else 0}


def _task(packed: bytes, number: int, wait: bool, board: Any) -> list[str | None]:
    """Train a run, or several in step, in a worker of the cluster; return of each why it was left out, or None."""
    import ray

    from ablate.engines.together import attempt_together  # here, as the driver needs no Lightning

    group: list[PlannedRun] = unpack(packed)
    if not (attempts := ray.get(board.begin.remote(number))):
        return [None] * len(group)
    stop, done = Stop(), threading.Event()

    def listen() -> None:
        while not done.wait(_POLL):
            if ray.get(board.stopped.remote()):
                stop.request()
                return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        if attempts > 1:  # go on from what the dead worker left
            group = [dataclasses.replace(planned, again=False) for planned in group]
        if wait or attempts > 1:  # a worker that is believed dead may hold a run a moment longer
            return [attempt_together([planned], stop, wait=True)[0] for planned in group]
        return attempt_together(group, stop)
    finally:
        done.set()
        listener.join()


def _outcome(ray: Any, reference: Any, runs: int) -> tuple[Sequence[str | None], bool]:
    """Return why each run of a task was left out, or None, and whether the task died once too often.

    What happens around training is no reason to give up others.
    """
    died = False
    try:
        return ray.get(reference), died
    except ray.exceptions.TaskCancelledError:
        why = "cancelled"
    except ray.exceptions.RayTaskError as error:
        why = f"{type(error.cause).__name__}: {error.cause}"
    except ray.exceptions.RayError as error:  # out of retries
        why, died = " ".join(str(error).split("\n", 1)[0].split()), True
    return [why] * runs, died


@contextlib.contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Give Ray, connected; what was started here is ended, what was there before is left."""
    ray = installed()
    if ray.is_initialized():
        yield ray
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if address == "local":  # another that runs on this machine is not ours to use
        quiet |= {"include_dashboard": False, "object_store_memory": _OBJECTS}
    with _handlers_kept():
        try:
            _reach(address)
            ray.init(address=address, **quiet)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
            raise ConfigError(
                f"hydra.launcher.address={address or os.environ.get('RAY_ADDRESS')}: {reason}."
            ) from error
    try:
        yield ray
    finally:
        with _handlers_kept():
            ray.shutdown()


def _reach(address: str) -> None:
    """Raise ``OSError`` where nobody answers at ``host:port``: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "://" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


def installed() -> Any:
    """Return the module ``ray``; raise ``ConfigError`` where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise ConfigError("hydra/launcher=ray needs Ray: pip install 'lightning-ablate[ray]'.") from error
    return ray


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Put back the signal handlers: Ray's own would end the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers: dict[int, Callable[..., Any] | int | None] = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
