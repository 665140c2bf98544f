"""`WorkerProcess`: one worker as its session sees it, which starts it, feeds it, and watches its limits.

An input is sent only to a worker that waits for one, so that the two can never block each other with
messages that neither reads.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

import psutil

from audio_assets.engine.workers.family import Family
from audio_assets.engine.workers.messages import (
    Began,
    Broken,
    Emitted,
    Failed,
    Here,
    Load,
    Rest,
    Returned,
    Take,
)
from audio_assets.engine.workers.session import (
    Cause,
    Died,
    Done,
    Limits,
    Part,
    Raised,
    Step,
    Work,
    WorkerError,
)
from audio_assets.resources.accelerator import gpu_environment

POLL_S = 0.2
ANSWER_LIMIT_S = 5.0
START_LIMIT_S = 300.0
END_LIMIT_S = 5.0
DETAIL_BYTES = 2000


class WorkerDied(Exception):
    """A worker process is gone. `began` says whether it had an input in hand, which was in `step`, if any."""

    def __init__(self, *, began: bool, step: str | None, cause: Cause, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.began = began
        self.step = step
        self.cause = cause
        self.reason = reason
        self.detail = detail

    def of(self, value: Any, parts: tuple[Any, ...]) -> Died:
        """What it is for the input that was in hand."""
        return Died(value, parts, self.step, self.cause, self.reason, self.detail)


class WorkerProcess:
    """A process that does work: `load` and `await_ready` first, then `compute` any number of inputs.

    `starter` is the executor whose thread starts it, `folder` what it may keep temporary files in.
    """

    def __init__(self, starter: Executor, folder: Path, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self._scratch = folder
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        self._pipe, theirs = Pipe()
        # Linux ends a worker together with the thread that started it, so that thread must last.
        self._process = starter.submit(self._start, theirs.fileno()).result()
        theirs.close()
        self._family = Family(self._process.pid)
        self._began = False
        self._step: str | None = None
        self._limits = Limits()
        self._since = 0.0
        self._stopped_for: tuple[Cause, str] | None = None
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
            env={**self.environment, "TMPDIR": str(self._scratch)},
            start_new_session=True,  # Ctrl-C is for the run, and ending the worker ends what it started
        )

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def memory_bytes(self) -> int:
        """What it and its children hold now."""
        return self._family.memory_bytes()

    def rest(self) -> None:
        """Have it drop what it had loaded; `load` wakes it."""
        self._send(Rest())
        self.has_rested = True

    def load(self, work: Work) -> None:
        """Have the worker load the function; `await_ready` waits for it."""
        self._begin(None, Limits(ANSWER_LIMIT_S if self.has_rested else START_LIMIT_S))
        self._send(Load(work))

    def await_ready(self) -> None:
        """Wait until the function is loaded.

        Raises:
            WorkerError: it cannot be.
            WorkerDied: the process ended first, or had rested and does not answer.
        """
        for message in self._messages():
            match message:
                case Here():
                    self._begin(None, Limits(START_LIMIT_S))
                case Broken(reason):
                    raise WorkerError(f"A worker could not load what it should do: {reason}")
                case _:  # Ready
                    return

    def compute(self, value: Any, limits: Limits) -> Iterator[Part | Done | Raised]:
        """Compute an input; what comes of it comes as it is ready.

        Raises:
            WorkerDied: the process ended, or was ended since it went beyond a limit.
        """
        self._log.truncate(0)
        self._log.seek(0)  # the worker's writing place too, since the two share the open file
        self._begin(None, Limits(START_LIMIT_S))
        self._send(Take(value))
        for message in self._messages():
            match message:
                case Began():
                    self._began = True
                    self._begin(None, limits)
                case Emitted(Step(name, of_step)):
                    self._begin(name, of_step)
                case Emitted(part):
                    yield Part(value, part)
                case Returned(result):
                    self._began = False
                    yield Done(value, result)
                    return
                case Failed(reason, detail, classes):
                    self._began = False
                    yield Raised(value, reason, detail, classes)
                    return

    def kill(self) -> None:
        """End the process and all that it started."""
        members = self._family.members()
        self._process.kill()
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for member in members:  # those that left the worker's group
            with suppress(psutil.Error):
                member.kill()

    def close(self) -> None:
        """End the process and free what it held here."""
        self.kill()
        self._wait()
        self._pipe.close()
        self._log.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _begin(self, step: str | None, limits: Limits) -> None:
        self._step = step
        self._limits = limits
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
            # Unread messages may say that what seems to take long has ended: the taker was busy.
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
            # It may hang in the kernel, e.g. on a dead disk.
            if time.monotonic() - self._stopped_at > END_LIMIT_S:
                raise self._death()

    def _excess(self) -> tuple[Cause, str] | None:
        """Which limit the process is beyond, if any."""
        allowed_s, allowed = self._limits.time_s, self._limits.memory_bytes
        if time.monotonic() - self._since > allowed_s:
            return Cause.TIME, f"took longer than {allowed_s:g} s" + ("" if self._began else " to start")
        if self._family.exceeds(allowed):
            return Cause.MEMORY, f"used more than {allowed / 2**30:.3g} GiB of memory"
        return None

    def _death(self) -> WorkerDied:
        self._wait()
        self.kill()
        self._wait()
        cause, what = self._stopped_for or (Cause.ITSELF, f"died: {_cause(self._process.returncode)}")
        return WorkerDied(
            began=self._began, step=self._step, cause=cause, reason=f"the worker {what}", detail=self._tail()
        )

    def _wait(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_LIMIT_S)

    def _tail(self) -> str:
        """The last that the worker wrote, without the long list of modules that ends a crash's traceback."""
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - 10 * DETAIL_BYTES))
        written = self._log.read().decode(errors="replace").replace("\0", "")
        lines = (line for line in written.splitlines() if not line.startswith("Extension modules: "))
        return "\n".join(lines).strip()[-DETAIL_BYTES:]


def environment_of(threads: int | None, device: str | None) -> dict[str, str]:
    """A worker's environment: this process's, with the threads and the GPU that it may use."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS") if threads else ()
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    chosen = {} if device is None else gpu_environment(device)
    return {**os.environ, "PYTHONPATH": path, **dict.fromkeys(names, str(threads)), **chosen}


def same_environment(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
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
