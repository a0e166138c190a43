"""The process of another device than the first: trains along, and keeps nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback

from ablate.record import open_record
from ablate.session import unpack
from ablate.stop import Stop
from ablate.training.clock import Clock
from ablate.training.process import process_state, quiet
from ablate.training.ranks import Ranks
from ablate.training.resume import Stopped
from ablate.training.run import train


def main() -> None:
    """Take the run from standard input and train it together with the first process, which has started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ready = os.dup(1)
    os.dup2(2, 1)  # a file: nobody reads on from the pipe, and what a plugin prints would fill it
    source = sys.stdin.buffer
    config, saved, *place = unpack(source.read(int.from_bytes(source.read(8))))
    ranks = Ranks(*place)

    def listen() -> None:
        source.read()
        os._exit(1)  # the first process is gone

    threading.Thread(target=listen, daemon=True).start()
    with quiet(), process_state(config.trainer.threads):
        os.write(ready, b"!")
        os.close(ready)
        ranks.meet(config.trainer)
        try:
            train(open_record(config), config, Stop(), Clock(), saved, ranks)
        except Stopped:
            return


if __name__ == "__main__":
    status = 0
    try:
        main()
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    os._exit(status)  # the first process keeps what is to be kept, and a thread here still reads
