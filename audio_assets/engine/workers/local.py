"""`LocalSession`: worker processes of this machine, each isolated from all others.

A worker that dies (a decoder's segmentation fault, the kernel's out-of-memory killer) or goes beyond the
time or memory it may use costs the one input it had in hand. Each worker is looked after by a thread of its
own (see `lanes`), so that whoever takes the events may take its time. Workers write their standard error
into a file, whose end goes into the failure's detail.

To start a worker and import what most functions need takes longer than many a run, so workers that are done
rest, for whatever the session does next.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from queue import Empty, Queue
from threading import Lock
from typing import Any

from audio_assets.engine.workers.lanes import Ended, Lane, Shared
from audio_assets.engine.workers.process import WorkerProcess, environment_of, same_environment
from audio_assets.engine.workers.session import (
    EVENTS_AHEAD,
    Crew,
    Died,
    Event,
    Session,
    Work,
    WorkerError,
    nothing_left,
)
from audio_assets.resources.scratch import Scratch

LARGEST_RESTING_BYTES = 384 * 2**20


class LocalSession(Session):
    """Workers of this machine. Nothing is started before it is needed; at the latest all ends with Python."""

    def __init__(self) -> None:
        self._opening = Lock()
        self._place: _Place | None = None

    def map(
        self,
        work: Work,
        inputs: Iterable[Any],
        crew: Crew,
        *,
        left: Callable[[Died], Iterable[Any]] = nothing_left,
        ahead: int = EVENTS_AHEAD,
        tick_s: float | None = None,
    ) -> Generator[Event | None]:
        """See `Session`."""
        place = self._opened()
        events: Queue[Event | BaseException | Ended] = Queue(ahead)
        source = Shared(inputs)
        devices: list[str | None] = [*crew.devices[: crew.count]] or [None] * crew.count
        lanes = [
            Lane(
                partial(place.take, work, crew.threads, device),
                place.rest if crew.keep else WorkerProcess.close,
                source,
                events,
                limits=crew.limits,
                left=left,
            )
            for device in devices
        ]
        running = _Running(lanes, events)
        place.running.append(running)
        try:
            yield from running.events(tick_s)
        finally:
            running.stop()
            place.running.remove(running)

    def close(self) -> None:
        """See `Session`."""
        with self._opening:
            if self._place is not None:
                self._place.close()
            self._place = None

    @property
    def resting(self) -> list[int]:
        """The numbers of the processes that wait for something to do."""
        return [process.pid for process in self._place.resting] if self._place else []

    def _opened(self) -> _Place:
        with self._opening:
            if self._place is None or self._place.pid != os.getpid():
                # A forked child has neither its parent's workers nor the thread that started them.
                self._place = _Place()
                weakref.finalize(self, self._place.close)
            return self._place


class _Place:
    """What a session has in one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.resting: deque[WorkerProcess] = deque()
        self.running: list[_Running] = []
        self._starter = ThreadPoolExecutor(1, "worker-starter")
        self._scratch = Scratch()
        self._is_closed = False

    def take(self, work: Work, threads: int | None, device: str | None) -> WorkerProcess:
        """A worker that loads `work`: one that rests in the environment of a new one, or else a new one."""
        wanted = environment_of(threads, device)
        process = self._rested(wanted)
        if process is None:
            try:
                process = WorkerProcess(self._starter, self._scratch.folder(), wanted)
            except OSError as error:
                raise WorkerError(f"A worker process cannot be started: {error}") from error
        process.load(work)
        return process

    def _rested(self, wanted: dict[str, str]) -> WorkerProcess | None:
        while True:
            try:
                process = self.resting.pop()
            except IndexError:
                return None
            if process.is_alive and same_environment(process.environment, wanted):
                return process
            process.close()

    def rest(self, process: WorkerProcess) -> None:
        """Keep a worker that is done for what comes next, if it is not too large; else end it."""
        if process.memory_bytes() > LARGEST_RESTING_BYTES:
            process.close()
            return
        process.rest()
        self.resting.append(process)

    def close(self) -> None:
        """End all workers."""
        if self._is_closed or self.pid != os.getpid():
            return
        self._is_closed = True
        for running in list(self.running):
            running.stop()
        while self.resting:
            self.resting.pop().close()
        self._starter.shutdown()
        self._scratch.close()


class _Running:
    """One `map` that goes on."""

    def __init__(self, lanes: list[Lane], queue: Queue[Event | BaseException | Ended]) -> None:
        self._lanes = lanes
        self._queue = queue

    def events(self, tick_s: float | None) -> Generator[Event | None]:
        """Start, and give what comes until all has ended."""
        for lane in self._lanes:
            lane.start()
        running = len(self._lanes)
        while running:
            try:
                event = self._queue.get(timeout=tick_s)
            except Empty:
                yield None
                continue
            if isinstance(event, BaseException):
                raise event
            if isinstance(event, Ended):
                running -= 1
            else:
                yield event

    def stop(self) -> None:
        """End its workers; whoever still waits for events is told."""
        for lane in self._lanes:
            lane.stop()
        for lane in self._lanes:
            if lane.is_alive():
                lane.join()
        with suppress(Empty):
            while True:
                self._queue.get_nowait()
        self._queue.put(WorkerError("The session of workers was closed while they worked."))
