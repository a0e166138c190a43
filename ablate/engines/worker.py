"""A worker process: trains the runs that it is sent, one after the other, and ends when its parent does."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue

from threadpoolctl import threadpool_limits

from ablate.engines.groups import Group
from ablate.engines.log import Log, last_words
from ablate.engines.messages import STOP, Ended, Ready, Setup
from ablate.engines.together import attempt_together
from ablate.errors import BusyError
from ablate.session import unpack
from ablate.stop import Stop

ORPHAN_SECONDS = 60
"""How long a worker may take to write its checkpoint once its parent is gone."""


def serve(pipe: Connection, setup: Setup) -> None:
    """Train what is sent through ``pipe`` until told to stop, or until nobody is left at its other end."""
    stop = Stop()
    orders: SimpleQueue[bytes] = SimpleQueue()

    def end(*_: object) -> None:
        stop.request()
        orders.put(STOP)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal: the parent decides
    signal.signal(signal.SIGTERM, end)
    os.environ.clear()  # the server that this process was forked from has one of its own, and an older one
    os.environ.update(setup.environment)

    def listen() -> None:
        try:
            while order := pipe.recv_bytes():
                orders.put(order)
            end()
        except (EOFError, OSError):  # the parent is gone
            end()
            time.sleep(ORPHAN_SECONDS)
            os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    try:
        pipe.send(Ready())
        while not stop.requested and (order := orders.get()):
            pipe.send(Ended(_train(order, stop, setup.wait)))
    except OSError:  # nobody listens any more; the run's record is on disk
        pass
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # a thread that a plugin has left behind must not keep the process


def _train(order: bytes, stop: Stop, wait: bool) -> list[str | None]:
    group: Group = ()
    try:
        group = unpack(order)
        logs = [Log(planned.record().folder, planned.command) for planned in group]
        threadpool_limits(group[0].config.trainer.threads)
        with logs[0]:
            left_out = attempt_together(group, stop, logs, wait=wait)
        for planned, why in zip(group, left_out, strict=True):
            if why is None:
                record = planned.record()
                with suppress(BusyError):  # another process has begun to mend it
                    record.keep_last_words(last_words(record.folder))
        return left_out
    except KeyboardInterrupt:  # raised by a plugin: that run is interrupted, the others are not
        return [None] * len(group)
    except Exception as error:  # before or after training: the record does not say it
        return [f"{type(error).__name__}: {error}"] * len(group)
