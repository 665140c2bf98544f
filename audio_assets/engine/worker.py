"""The worker process: computes tasks that come down a pipe, one after the other.

Started by `WorkerProcess` as ``python -m audio_assets.engine.worker FD PARENT``. Messages to the run:
``("ready",)`` or ``("broken", reason)``, then those of `Computer`.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection

from audio_assets.engine.compute import CodeChanged, Computer


def main() -> None:
    """Serve the pipe until it closes."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    _end_with(parent)
    faulthandler.enable()
    connection = Connection(descriptor)
    # A child that outlived the worker would keep the pipe open, and the worker's death from being seen.
    os.set_inheritable(descriptor, False)
    os.register_at_fork(after_in_child=connection.close)
    try:
        computer = Computer(connection.recv(), connection.send)
    except CodeChanged as error:
        connection.send(("broken", str(error)))
        return
    except Exception:
        connection.send(("broken", traceback.format_exc()))
        return
    connection.send(("ready",))
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        computer.compute(task)


def _end_with(parent: int) -> None:
    """Make sure that no worker outlives its run, even if the run is killed."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
