"""The worker process: does work that comes down a pipe, for one input after the other.

Started by `WorkerProcess` as ``python -m audio_assets.engine.workers.child FD PARENT``. What comes down the
pipe and what goes back is listed in `messages`.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from threading import Lock
from typing import Any

from audio_assets.engine.code.state import own_sources
from audio_assets.engine.workers.messages import (
    Answer,
    Began,
    Broken,
    Emitted,
    Failed,
    Here,
    Load,
    Ready,
    Rest,
    Returned,
    Take,
)
from audio_assets.engine.workers.session import Emit, Work, class_name
from audio_assets.errors import UserError, detail_of, reason_of
from audio_assets.resources.accelerator import prepare_environment

LONGEST_REST_S = 60.0


def main() -> None:
    """Serve the pipe until it closes, and end then, whatever threads there are."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    _end_with(parent)
    prepare_environment()  # torch may come with the first function that is loaded
    faulthandler.enable()
    connection = Connection(descriptor)
    # A child that outlived the worker would keep the pipe open, and the worker's death from being seen.
    os.set_inheritable(descriptor, False)
    os.register_at_fork(after_in_child=connection.close)
    code = _exit_code(Server(connection).serve)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _exit_code(serve: Callable[[], None]) -> int:
    """What the process ends with, as Python itself would have it."""
    try:
        serve()
    except EOFError:
        return 0
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


class Server:
    """Does what comes down `connection`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = Lock()  # functions may emit from any thread
        self._in_hand = False
        self._sources: dict[str, int] = {}

    def serve(self) -> None:
        """Return when nothing is wanted any more.

        Raises:
            EOFError: the other side is gone.
        """
        function: Callable[[Any], Any] | None = None
        while True:
            match self._connection.recv():
                case Load(work):
                    self._send(Here())
                    if self._is_outdated(work):
                        return  # a fresh process takes over
                    function = self._load(work)
                case Take(value) if function is not None:
                    self._compute(function, value)
                case Rest():
                    function = None
                    gc.collect()
                    if not self._connection.poll(LONGEST_REST_S):
                        return

    def _is_outdated(self, work: Work) -> bool:
        """Whether what is loaded may not be what the files say."""
        roots = {work.function.partition(":")[0].partition(".")[0], *work.packages}
        now = own_sources(roots)
        if not self._sources.items() <= now.items():
            return True
        self._sources |= now
        return False

    def _load(self, work: Work) -> Callable[[Any], Any] | None:
        try:
            function: Callable[[Any], Any] = resolve(work.function)(work.setup, self._emit)
        except Exception as error:
            self._send(Broken(str(error) if isinstance(error, UserError) else detail_of(error)))
            return None
        self._send(Ready())
        return function

    def _compute(self, function: Callable[[Any], Any], value: Any) -> None:
        self._send(Began())
        self._in_hand = True
        try:
            answer: Answer = Returned(function(value))
        except Exception as error:
            answer = _failed(error)
        self._in_hand = False
        try:
            self._send(answer)
        except Exception as error:  # it cannot be pickled; nothing of it was sent
            self._send(_failed(error))

    def _emit(self, value: object) -> None:
        if self._in_hand:  # a thread may go on when the input it is of has ended
            self._send(Emitted(value))

    def _send(self, answer: Answer) -> None:
        data = ForkingPickler.dumps(answer)
        with self._sending:
            self._connection.send_bytes(data)


def resolve(reference: str) -> Callable[[Any, Emit], Callable[[Any], Any]]:
    """The function that ``module:name`` names."""
    module, _, name = reference.partition(":")
    found: Callable[[Any, Emit], Callable[[Any], Any]] = getattr(importlib.import_module(module), name)
    return found


def _failed(error: Exception) -> Failed:
    classes = tuple(class_name(kind) for kind in type(error).__mro__)
    return Failed(reason_of(error), detail_of(error), classes)


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
