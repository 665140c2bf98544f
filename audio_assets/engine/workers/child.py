"""The worker process: computes tasks that come down a pipe, one after the other.

Started by `WorkerProcess` as ``python -m audio_assets.engine.workers.child FD PARENT``. What comes down the
pipe is a `WorkerSetup`, which is answered by ``("ready",)`` or ``("broken", reason)``; tasks, which are
answered by the messages of `Computer`; and `REST`: drop what was loaded, and wait a while for another setup.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection

from audio_assets.engine.code.state import own_sources
from audio_assets.engine.workers.compute import CodeChanged, Computer
from audio_assets.engine.workers.tasks import Task, WorkerSetup
from audio_assets.resources.accelerator import prepare_environment

LONGEST_REST_S = 60.0


def main() -> None:
    """Serve the pipe until it closes."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    _end_with(parent)
    prepare_environment()  # torch may come with the first asset that is loaded
    faulthandler.enable()
    connection = Connection(descriptor)
    # A child that outlived the worker would keep the pipe open, and the worker's death from being seen.
    os.set_inheritable(descriptor, False)
    os.register_at_fork(after_in_child=connection.close)
    try:
        _serve(connection)
    except EOFError:
        return


def _serve(connection: Connection) -> None:
    computer = None
    sources: dict[str, int] = {}
    while True:
        match connection.recv():
            case WorkerSetup() as setup:
                now = own_sources({module.partition(".")[0] for module, _ in setup.assets})
                if not sources.items() <= now.items():
                    return  # what is loaded may not be what the files say; a fresh process takes over
                sources |= now
                computer = _load(setup, connection)
            case Task() as task if computer is not None:
                computer.compute(task)
            case _:  # REST
                computer = None
                gc.collect()
                if not connection.poll(LONGEST_REST_S):
                    return


def _load(setup: WorkerSetup, connection: Connection) -> Computer | None:
    try:
        computer = Computer(setup, connection.send)
    except CodeChanged as error:
        connection.send(("broken", str(error)))
        return None
    except Exception:
        connection.send(("broken", traceback.format_exc()))
        return None
    connection.send(("ready",))
    return computer


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
