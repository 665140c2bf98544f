"""`ForkingSession`: a second implementation of `Session`, as small as it can be.

A process is forked for every input, one after the other; none is warm, none serves two inputs, and
`Crew.devices` are shared out by setting the variable alone. It shows that what is promised is what callers
need, and no more.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress

import psutil

from audio_assets.engine.workers.child import resolve
from audio_assets.engine.workers.session import (
    EVENTS_AHEAD,
    Cause,
    Died,
    Done,
    Part,
    Raised,
    Session,
    Step,
    WorkerError,
    class_name,
    nothing_left,
)
from audio_assets.errors import detail_of, reason_of

# Not from this process, whose object storage may have threads that a child would wait for in vain.
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["audio_assets.engine.run.compute", "tests.engine.toys"])


class ForkingSession(Session):
    def map(self, work, inputs, crew, *, left=nothing_left, ahead=EVENTS_AHEAD, tick_s=None):
        inputs, again = iter(inputs), deque()
        while True:
            value = again.popleft() if again else next(inputs, self)
            if value is self:
                return
            for event in _compute(work, value, crew, tick_s):
                if isinstance(event, Died):
                    again.extend(left(event))
                yield event

    def close(self):
        pass


def _compute(work, value, crew, tick_s):
    ours, theirs = FORK.Pipe()
    with tempfile.NamedTemporaryFile() as log:
        process = FORK.Process(target=_child, args=(work, value, crew, theirs, log.name))
        process.start()
        theirs.close()
        try:
            yield from _watch(process, ours, value, crew.limits, log, tick_s)
        finally:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.join()


def _watch(process, pipe, value, limits, log, tick_s):
    step, parts, killed = None, [], None
    since = ticked = time.monotonic()
    while True:
        try:
            message = pipe.recv() if pipe.poll(0.05) else None
        except (EOFError, OSError):
            process.join()
            code = process.exitcode
            how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"it ended with exit code {code}"
            log.seek(0)
            detail = log.read().decode(errors="replace")[-2000:].strip()
            cause, what = killed or (Cause.ITSELF, f"died: {how}")
            yield Died(value, tuple(parts), step, cause, f"the worker {what}", detail)
            return
        match message:
            case ("broken", reason):
                raise WorkerError(reason)
            case ("part", Step(step, limits)):
                since = time.monotonic()
            case ("part", part):
                parts.append(part)
                yield Part(value, part)
            case ("done", result):
                yield Done(value, result)
                return
            case ("raised", *rest):
                yield Raised(value, *rest)
                return
        if killed is None and message is None:
            killed = _excess(process.pid, limits, since)
            if killed:
                os.killpg(process.pid, signal.SIGKILL)
        if tick_s is not None and time.monotonic() - ticked > tick_s:
            ticked = time.monotonic()
            yield None


def _excess(pid, limits, since):
    if time.monotonic() - since > limits.time_s:
        return Cause.TIME, f"took longer than {limits.time_s:g} s"
    held = 0
    for member in psutil.process_iter():
        with suppress(OSError, psutil.Error):
            if os.getpgid(member.pid) == pid:
                held += member.memory_full_info().pss
    if held > limits.memory_bytes:
        return Cause.MEMORY, f"used more than {limits.memory_bytes / 2**30:.3g} GiB of memory"
    return None


def _child(work, value, crew, pipe, log):
    os.setsid()
    log = os.open(log, os.O_WRONLY | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    sys.stdout = sys.stderr = os.fdopen(log, "w", buffering=1, closefd=False)
    os.set_inheritable(pipe.fileno(), False)
    os.register_at_fork(after_in_child=pipe.close)
    if crew.devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = crew.devices[0]
    try:
        function = resolve(work.function)(work.setup, lambda part: pipe.send(("part", part)))
    except Exception as error:
        pipe.send(("broken", reason_of(error)))
        return
    try:
        pipe.send(("done", function(value)))
    except Exception as error:
        classes = tuple(class_name(kind) for kind in type(error).__mro__)
        pipe.send(("raised", reason_of(error), detail_of(error), classes))
    except SystemExit as error:
        os._exit(error.code)
