"""`LocalWorkers`: tasks on worker processes of this machine, each isolated from all others.

A worker that dies (a decoder's segmentation fault, the kernel's out-of-memory killer) or goes beyond
the time or memory it may use costs the one asset of the one item it was computing; everything it had
finished is kept, and what it had not begun goes to its successor. Each worker is looked after by a
thread of its own, so that whoever takes the results may take its time. Workers write their standard
error into a file, whose end goes into the failure's detail.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from queue import Empty, Full, Queue
from threading import Lock, Thread

from audio_assets.engine.declare.outcomes import ItemResult, Outcome
from audio_assets.engine.workers.process import WorkerDied, WorkerError, WorkerProcess
from audio_assets.engine.workers.tasks import RESULTS_AHEAD, ItemTask, Limits, Task, Workers, WorkerSetup

DEATHS_PER_TASK = 2
FAILED_STARTS = 3


class LocalWorkers(Workers):
    """`count` worker processes with the assets of `setup` loaded, used within a ``with`` block.

    `threads` is how many threads numerical libraries may use within each. Without `keep` they end
    when their work has; else they rest, for the next run of this process. If `devices` are given, there
    is one worker for each instead, and at most `count`; it and its successors see that GPU alone.

    Raises, where results are taken:
        WorkerError: no worker can be started.
    """

    def __init__(
        self,
        count: int,
        setup: WorkerSetup,
        limits: Limits,
        threads: int = 1,
        *,
        keep: bool = False,
        devices: Sequence[str] = (),
    ) -> None:
        self._devices: Sequence[str | None] = devices[:count] or [None] * count
        self._setup = setup
        self._limits = limits
        self._threads = threads
        self._keep = keep
        self._lanes: list[_Lane] = []

    def __exit__(self, *_: object) -> None:
        for lane in self._lanes:
            lane.stop()
        for lane in self._lanes:
            lane.join()
        self._lanes = []

    def run_ticking(
        self, tasks: Iterable[Task], tick_s: float | None, ahead: int = RESULTS_AHEAD
    ) -> Iterator[ItemResult | None]:
        """See `Workers`; `tasks` are taken by other threads, one at a time."""
        results: Queue[ItemResult | BaseException | _Ended] = Queue(ahead)
        source = _Shared(tasks)
        self._lanes = [
            _Lane(partial(self._take_process, device), source, results, self._keep)
            for device in self._devices
        ]
        for lane in self._lanes:
            lane.start()
        running = len(self._lanes)
        while running:
            try:
                result = results.get(timeout=tick_s)
            except Empty:
                yield None
                continue
            if isinstance(result, BaseException):
                raise result
            if isinstance(result, _Ended):
                running -= 1
            else:
                yield result

    def _take_process(self, device: str | None) -> WorkerProcess:
        try:
            process = WorkerProcess.take(self._threads, device)
        except OSError as error:
            raise WorkerError(f"A worker process cannot be started: {error}") from error
        process.load(self._setup, self._limits)
        return process


class _Ended:
    """Takes a lane's place in the queue of results when it has nothing more to give."""


class _Shared:
    """An iterator that several threads may take from."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks = iter(tasks)
        self._lock = Lock()

    def __iter__(self) -> Iterator[Task]:
        return self

    def __next__(self) -> Task:
        with self._lock:
            return next(self._tasks)


class _Lane(Thread):
    """Takes tasks and has them computed by a worker process, and by its successors when it dies."""

    def __init__(
        self,
        take_process: Callable[[], WorkerProcess],
        source: Iterator[Task],
        results: Queue[ItemResult | BaseException | _Ended],
        keep: bool,
    ) -> None:
        super().__init__(daemon=True)
        self._take_process = take_process
        self._keep = keep
        self._source = source
        self._results = results
        self._process: WorkerProcess | None = None
        self._lock = Lock()
        self._stopped = False

    def run(self) -> None:
        try:
            for task in self._source:
                for result in self._compute(task):
                    self._put(result)
                if self._stopped:
                    return
            self._end_process()
        except BaseException as error:
            self._put(error)
        finally:
            self._drop_process()
            self._put(_Ended())

    def stop(self) -> None:
        """End the process at once; the thread then ends too."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def _put(self, result: ItemResult | BaseException | _Ended) -> None:
        while not self._stopped:
            with suppress(Full):
                self._results.put(result, timeout=0.1)
                return

    def _compute(self, task: Task) -> Iterator[ItemResult]:
        waiting = deque([task])
        idle_deaths = 0
        while waiting and not self._stopped:
            current = waiting.popleft()
            finished: list[ItemResult] = []
            try:
                for result in self._ready_process().compute(current):
                    finished.append(result)
                    yield result
            except WorkerDied as death:
                self._drop_process()
                results, tasks = after_death(current, finished, death)
                idle_deaths += death.asset is None
                if idle_deaths == FAILED_STARTS and not self._stopped:
                    raise WorkerError(
                        f"Workers end before they compute anything: {death.reason}. {death.detail}"
                    ) from death
                waiting.extendleft(reversed(tasks))
                yield from results

    def _ready_process(self) -> WorkerProcess:
        while self._process is None:
            with self._lock:
                self._process = process = self._take_process()
                if self._stopped:
                    process.kill()
            try:
                process.await_ready()
            except WorkerDied:
                if not process.has_rested or self._stopped:
                    raise
                self._drop_process()  # it had rested for too long, or since before an edit
        return self._process

    def _end_process(self) -> None:
        with self._lock:
            if self._keep and self._process is not None and not self._stopped:
                self._process.rest()
                self._process = None

    def _drop_process(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.close()
            self._process = None


def after_death(
    task: Task, finished: Sequence[ItemResult], death: WorkerDied
) -> tuple[list[ItemResult], list[Task]]:
    """What a worker's death makes of its task: the results that it costs, and what is still to be done.

    A batch is computed again one by one, so that only the culprit pays. An item that has cost
    `DEATHS_PER_TASK` workers costs no more: what is left of it fails.
    """
    items = [item.after(finished) for item in task.items]
    left = tuple(item for item in items if item.fingerprints)
    if not left or death.asset is None:
        return [], [replace(task, items=left)] if left else []
    if len(left) > 1:
        return [], [Task((item,), task.deaths) for item in left]
    item, deaths = left[0], task.deaths + 1
    lost = [name for name in item.fingerprints if name == death.asset or deaths == DEATHS_PER_TASK]
    results = [_lost(item, name, death, deaths) for name in lost]
    rest = item.after(results)
    return results, [Task((rest,), deaths)] if rest.fingerprints else []


def _lost(item: ItemTask, asset: str, death: WorkerDied, deaths: int) -> ItemResult:
    reason = death.reason
    if asset != death.asset:
        reason = f"not computed, since {deaths} workers died of this item: {reason}"
    return ItemResult(asset, item.item.key, Outcome.FAILED, [], reason, death.detail, died=True)
