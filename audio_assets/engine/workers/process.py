"""`WorkerProcess`: one worker as its run sees it, which starts it, feeds it, and watches its limits.

A task is sent only to a worker that waits for one, so that the two can never block each other with
messages that neither reads. A worker that is done rests, and is taken by the next run of this process
that wants one: to start it and import what most assets need takes longer than many a run.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

import psutil

from audio_assets.engine.declare.outcomes import ItemResult
from audio_assets.engine.workers.tasks import REST, Limits, Task, WorkerSetup
from audio_assets.errors import UserError
from audio_assets.resources.accelerator import gpu_environment

POLL_S = 0.2
START_LIMIT_S = 300.0
END_LIMIT_S = 5.0
DETAIL_BYTES = 2000
LARGEST_RESTING_BYTES = 384 * 2**20
NO_LIMITS = Limits({}, {})

STARTER = ThreadPoolExecutor(1, "worker-starter")
RESTING: deque[WorkerProcess] = deque()


def _forget_parent() -> None:
    """In a forked child: the parent's workers are not its own, and the parent's thread it does not have."""
    global STARTER  # noqa: PLW0603
    RESTING.clear()
    STARTER = ThreadPoolExecutor(1, "worker-starter")


os.register_at_fork(after_in_child=_forget_parent)


class WorkerError(UserError, RuntimeError):
    """Workers cannot be started at all; the message holds the reason they gave."""


class WorkerDied(Exception):
    """A worker process is gone: while it computed `asset`, or outside of all assets."""

    def __init__(self, asset: str | None, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.asset = asset
        self.reason = reason
        self.detail = detail


class WorkerProcess:
    """A process that computes tasks: `load` and `await_ready` first, then any number of them.

    Of the GPUs it sees `device` alone, or as many as this process if that is None.
    """

    def __init__(self, threads: int, device: str | None = None) -> None:
        self._environment = _environment(threads, device)
        # A worker that is killed leaves its temporary files; they go with the folder.
        self._scratch = tempfile.TemporaryDirectory(prefix="audio-assets-", ignore_cleanup_errors=True)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        self._pipe, theirs = Pipe()
        # Linux ends a worker together with the thread that started it, so that thread must last.
        self._process = STARTER.submit(self._start, theirs.fileno()).result()
        theirs.close()
        self._limits = NO_LIMITS
        self._stopped_for: str | None = None
        self._stopped_at = 0.0
        self.has_rested = False

    def _start(self, descriptor: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "audio_assets.engine.workers.child"),
                *(str(descriptor), str(os.getpid())),
            ],
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**self._environment, "TMPDIR": self._scratch.name},
            start_new_session=True,  # Ctrl-C is for the run, and ending the worker ends what it started
        )

    @classmethod
    def take(cls, threads: int, device: str | None = None) -> WorkerProcess:
        """A worker that rests and has the environment that a new one would have, or else a new one."""
        wanted = _environment(threads, device)
        while True:
            try:
                process = RESTING.pop()
            except IndexError:
                return cls(threads, device)
            if process._process.poll() is None and _same(process._environment, wanted):
                return process
            process.close()

    def rest(self) -> None:
        """Let the next run of this process have the worker, if it is not too large; else end it."""
        if self._memory_bytes() > LARGEST_RESTING_BYTES:
            self.close()
            return
        self._send(REST)
        self.has_rested = True
        RESTING.append(self)

    def load(self, setup: WorkerSetup, limits: Limits) -> None:
        """Have the worker load the assets of `setup`; `await_ready` waits for it."""
        self._limits = limits
        self._begin(None, START_LIMIT_S)
        self._send(setup)

    def await_ready(self) -> None:
        """Wait until the assets are loaded.

        Raises:
            WorkerError: they cannot be.
            WorkerDied: the process ended first.
        """
        message = next(self._messages())
        if message[0] == "broken":
            raise WorkerError(f"A worker could not load the assets: {message[1]}")

    def compute(self, task: Task) -> Iterator[ItemResult]:
        """Compute a task; results come as they are ready.

        Raises:
            WorkerDied: the process ended, or was ended since it went beyond a limit.
        """
        self._log.truncate(0)
        self._log.seek(0)  # the worker's writing place too, since the two share the open file
        self._begin(None, START_LIMIT_S)
        self._send(task)
        for message in self._messages():
            match message:
                case ItemResult():
                    yield message
                case ("start", asset):
                    members = sum(asset in item.fingerprints for item in task.items)
                    self._begin(asset, self._limits.time_s[asset] * members)
                case ("finished",):
                    return

    def kill(self) -> None:
        """End the process and all that it started."""
        self._process.kill()
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process and free what it held here."""
        self.kill()
        self._wait()
        self._pipe.close()
        self._log.close()
        self._scratch.cleanup()

    def _begin(self, asset: str | None, limit_s: float) -> None:
        self._asset = asset
        self._limit_s = limit_s
        self._since = time.monotonic()

    def _send(self, message: Any) -> None:
        with suppress(OSError):  # the worker has died; receiving from it says so
            self._pipe.send(message)

    def _messages(self) -> Iterator[Any]:
        checked = time.monotonic()
        while True:
            try:
                message = self._pipe.recv() if self._pipe.poll(POLL_S) else None
            except (EOFError, OSError):  # OSError: it died in the middle of a message
                raise self._death() from None
            if message is not None:
                yield message
            # Unread messages may say that what seems to take long has ended: the results' taker was busy.
            if time.monotonic() - checked > POLL_S and not self._has_unread():
                self._enforce()
                checked = time.monotonic()

    def _has_unread(self) -> bool:
        try:
            return self._pipe.poll()
        except OSError:
            return True  # the worker has died; receiving from it says so

    def _enforce(self) -> None:
        """Kill the process if it uses more time or memory than it may."""
        if self._stopped_for is None:
            self._stopped_for = self._excess()
            self._stopped_at = time.monotonic()
        if self._stopped_for is not None:
            self.kill()
            if (
                time.monotonic() - self._stopped_at > END_LIMIT_S
            ):  # it hangs in the kernel, e.g. on a dead disk
                raise self._death()

    def _excess(self) -> str | None:
        """Which limit the process is beyond, if any."""
        if time.monotonic() - self._since > self._limit_s:
            what = "(AUDIO_ASSETS_TIME_LIMIT_S, or time_limit_s of the asset)" if self._asset else "to start"
            return f"took longer than {self._limit_s:g} s {what}"
        allowed = self._limits.memory_bytes.get(self._asset or "", math.inf)
        if self._memory_bytes() > allowed:
            return (
                f"used more than {allowed / 2**30:.3g} GiB of memory (AUDIO_ASSETS_MEMORY_LIMIT_GIB, or "
                "memory_limit_gib of the asset)"
            )
        return None

    def _memory_bytes(self) -> int:
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def _death(self) -> WorkerDied:
        self._wait()
        self.kill()
        self._wait()
        reason = f"the worker {self._stopped_for or f'died: {_cause(self._process.returncode)}'}"
        return WorkerDied(self._asset, reason, self._tail())

    def _wait(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_LIMIT_S)

    def _tail(self) -> str:
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - DETAIL_BYTES))
        return self._log.read().decode(errors="replace").replace("\0", "").strip()


def _environment(threads: int, device: str | None) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    chosen = {} if device is None else gpu_environment(device)
    return {**os.environ, "PYTHONPATH": path, **dict.fromkeys(names, str(threads)), **chosen}


def _same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two environments are the same to a worker, which knows nothing of Dagster."""
    return all(
        one.get(name) == other.get(name)
        for name in one.keys() | other.keys()
        if not name.startswith("DAGSTER_")
    )


def _cause(code: int | None) -> str:
    """An exit code in words, e.g. ``killed by SIGSEGV``."""
    if code is None:
        return "it does not answer, and does not end either"
    if code < 0:
        known = {number.value: number.name for number in signal.Signals}
        return f"killed by {known.get(-code, f'signal {-code}')}"
    return f"it ended with exit code {code}"
