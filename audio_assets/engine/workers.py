"""`LocalWorkers`: tasks on worker processes of this machine, each isolated from all others.

A worker that dies (a decoder's segmentation fault, the kernel's out-of-memory killer) or goes beyond
the time or memory it may use costs the one asset of the one item it was computing; everything it had
finished is kept, and what it had not begun goes to its successor. Workers read their standard error
into a file, whose end goes into the failure's detail.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, Pipe, wait
from typing import IO, Any

import psutil

from audio_assets.engine.outcomes import ItemResult, Outcome
from audio_assets.engine.tasks import Limits, Task, WorkerSetup

POLL_S = 0.2
AHEAD = 2  # tasks a worker holds: the one it computes, and the next
DEATHS_PER_TASK = 2
FAILED_STARTS = 3
DETAIL_BYTES = 2000


class WorkerError(RuntimeError):
    """Workers cannot be started at all; the message holds the reason they gave."""


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    pipe: Connection
    log: IO[bytes]
    tasks: deque[Task] = field(default_factory=deque)
    finished: set[tuple[str, str]] = field(default_factory=set)
    asset: str | None = None
    since: float = 0.0
    ready: bool = False
    stopped_for: str | None = None

    def memory_bytes(self) -> int:
        try:
            return int(psutil.Process(self.process.pid).memory_info().rss)
        except psutil.Error:
            return 0


class LocalWorkers:
    """`count` worker processes with the assets of `setup` loaded, used within a ``with`` block."""

    def __init__(self, count: int, setup: WorkerSetup, limits: Limits, threads: int = 1) -> None:
        self._count = count
        self._setup = setup
        self._limits = limits
        self._threads = threads
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.process.wait()
            worker.pipe.close()
            worker.log.close()
        self._workers = []

    def run(self, tasks: Iterable[Task]) -> Iterator[ItemResult]:
        """Compute `tasks`; see `Workers.run`.

        Raises:
            WorkerError: no worker can be started.
        """
        source = iter(tasks)
        again: deque[Task] = deque()
        while True:
            self._hand_out(source, again)
            busy = [worker for worker in self._workers if worker.tasks]
            if not busy:
                return
            for pipe in wait([worker.pipe for worker in busy], timeout=POLL_S):
                worker = next(w for w in busy if w.pipe is pipe)
                yield from self._receive(worker, again)
            for worker in busy:
                self._enforce(worker)

    def _hand_out(self, source: Iterator[Task], again: deque[Task]) -> None:
        while True:
            if len(self._workers) < self._count:
                worker = None
            else:
                worker = min(self._workers, key=lambda w: len(w.tasks))
                if len(worker.tasks) >= AHEAD:
                    return
            task = again.popleft() if again else next(source, None)
            if task is None:
                return
            if worker is None:
                worker = self._start()
                self._workers.append(worker)
            worker.tasks.append(task)
            try:
                worker.pipe.send(task)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the worker has died; receiving from it says so and deals with its tasks

    def _receive(self, worker: _Worker, again: deque[Task]) -> Iterator[ItemResult]:
        try:
            while worker.pipe.poll():
                message = worker.pipe.recv()
                if isinstance(message, ItemResult):
                    worker.finished.add((message.asset, message.item))
                    yield message
                else:
                    self._note(worker, message)
        except (EOFError, ConnectionResetError):
            yield from self._bury(worker, again)

    def _note(self, worker: _Worker, message: tuple[Any, ...]) -> None:
        match message:
            case ("ready",):
                worker.ready = True
                self._failed_starts = 0
            case ("broken", reason):
                raise WorkerError(f"A worker could not load the assets:\n{reason}")
            case ("start", asset):
                worker.asset, worker.since = asset, time.monotonic()
            case ("finished",):
                worker.tasks.popleft()
                worker.finished.clear()
                worker.asset = None

    def _enforce(self, worker: _Worker) -> None:
        """Kill a worker that uses more time or memory than its asset may."""
        if worker.asset is None or worker.stopped_for or worker not in self._workers:
            return
        seconds = self._limits.time_s[worker.asset]
        memory = self._limits.memory_bytes[worker.asset]
        members = len(worker.tasks[0].items) if worker.tasks else 1
        if time.monotonic() - worker.since > seconds * members:
            worker.stopped_for = f"took longer than {seconds:g} s (AUDIO_ASSETS_TIME_LIMIT_S)"
        elif worker.memory_bytes() > memory:
            worker.stopped_for = (
                f"used more than {memory / 2**30:.3g} GiB of memory (AUDIO_ASSETS_MEMORY_LIMIT_GIB)"
            )
        if worker.stopped_for:
            worker.process.kill()

    def _bury(self, worker: _Worker, again: deque[Task]) -> Iterator[ItemResult]:
        """Account for a dead worker: blame what it was computing, hand on the rest."""
        self._workers.remove(worker)
        code = worker.process.wait()
        worker.pipe.close()
        detail = _tail(worker.log)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS:
                raise WorkerError(f"Workers end before they are ready ({_cause(code)}): {detail}")
        if worker.asset is None or not worker.tasks:
            again.extendleft(reversed(worker.tasks))
            return
        task = worker.tasks.popleft()
        again.extendleft(reversed(worker.tasks))
        left = [
            item.without(asset for asset, key in worker.finished if key == item.item.key)
            for item in task.items
        ]
        left = [item for item in left if item.fingerprints]
        if len(left) > 1:  # a batch: compute its items one by one, so that only the culprit dies
            again.extend(Task((item,), task.deaths) for item in left)
            return
        reason = f"the worker {worker.stopped_for or f'died: {_cause(code)}'}"
        for item in left:
            killed = worker.asset if task.deaths + 1 < DEATHS_PER_TASK else None
            for asset in item.fingerprints:
                if killed in (None, asset):
                    yield ItemResult(
                        asset, item.item.key, Outcome.FAILED, [], reason, detail, died=True
                    )
            rest = item.without(item.fingerprints if killed is None else [killed])
            if rest.fingerprints:
                again.append(replace(task, items=(rest,), deaths=task.deaths + 1))

    def _start(self) -> _Worker:
        ours, theirs = Pipe()
        log = tempfile.TemporaryFile()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OMP_NUM_THREADS": str(self._threads),
            "OPENBLAS_NUM_THREADS": str(self._threads),
            "MKL_NUM_THREADS": str(self._threads),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "audio_assets.engine.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
        )
        theirs.close()
        try:
            ours.send(self._setup)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has died already; receiving says so
        return _Worker(process, ours, log)


def _cause(code: int) -> str:
    """An exit code in words, e.g. ``killed by SIGSEGV``."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"it ended with exit code {code}"


def _tail(log: IO[bytes]) -> str:
    with log:
        log.seek(0, os.SEEK_END)
        log.seek(max(0, log.tell() - DETAIL_BYTES))
        return log.read().decode(errors="replace").strip()
