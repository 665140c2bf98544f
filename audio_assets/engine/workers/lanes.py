"""`Lane`: a thread with a worker that computes inputs, and with its successors when it dies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Full, Queue
from threading import Lock, Thread
from typing import Any

from audio_assets.engine.workers.process import WorkerDied, WorkerProcess
from audio_assets.engine.workers.session import Died, Event, Limits, Part, WorkerError

FAILED_STARTS = 3


class Ended:
    """Takes a lane's place in the queue of events when it has nothing more to give."""


class Shared:
    """An iterator that several threads may take from."""

    def __init__(self, inputs: Iterable[Any]) -> None:
        self._inputs = iter(inputs)
        self._lock = Lock()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with self._lock:
            return next(self._inputs)


class Lane(Thread):
    """One worker's worth of work. `take` gives a process that loads the work, `release` gets it back."""

    def __init__(
        self,
        take: Callable[[], WorkerProcess],
        release: Callable[[WorkerProcess], None],
        source: Iterator[Any],
        events: Queue[Event | BaseException | Ended],
        *,
        limits: Limits,
        left: Callable[[Died], Iterable[Any]],
    ) -> None:
        super().__init__(daemon=True)
        self._take = take
        self._release = release
        self._source = source
        self._events = events
        self._limits = limits
        self._left = left
        self._process: WorkerProcess | None = None
        self._lock = Lock()
        self._stopped = False

    def run(self) -> None:
        """Until there are no more inputs, or it is stopped."""
        try:
            for value in self._source:
                for event in self._compute(value):
                    self._put(event)
                if self._stopped:
                    return
            self._release_process()
        except BaseException as error:
            self._put(error)
        finally:
            self._drop_process()
            self._put(Ended())

    def stop(self) -> None:
        """End the process at once; the thread then ends too."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def _put(self, event: Event | BaseException | Ended) -> None:
        while not self._stopped:
            with suppress(Full):
                self._events.put(event, timeout=0.1)
                return

    def _compute(self, first: Any) -> Iterator[Event]:
        waiting = deque([first])
        failed_starts = 0
        while waiting and not self._stopped:
            current = waiting.popleft()
            parts: list[Any] = []
            try:
                for event in self._ready_process().compute(current, self._limits):
                    if isinstance(event, Part):
                        parts.append(event.value)
                    yield event
            except WorkerDied as death:
                self._drop_process()
                if death.began:
                    died = death.of(current, tuple(parts))
                    waiting.extendleft(reversed(list(self._left(died))))
                    yield died
                    continue
                failed_starts += 1
                if failed_starts == FAILED_STARTS and not self._stopped:
                    raise WorkerError(
                        f"Workers end before they compute anything: {death.reason}. {death.detail}"
                    ) from death
                waiting.appendleft(current)

    def _ready_process(self) -> WorkerProcess:
        while self._process is None:
            with self._lock:
                self._process = process = self._take()
                if self._stopped:
                    process.kill()
            try:
                process.await_ready()
            except WorkerDied:
                if not process.has_rested or self._stopped:
                    raise
                self._drop_process()  # it had rested for too long, or since before an edit, or is deaf
        return self._process

    def _release_process(self) -> None:
        with self._lock:
            if self._process is not None and not self._stopped:
                self._release(self._process)
                self._process = None

    def _drop_process(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.close()
            self._process = None
