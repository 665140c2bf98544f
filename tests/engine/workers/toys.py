"""Work with nothing in it, for testing sessions: an input is a list of words, each an instruction."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

from audio_assets.engine.workers.session import Limits, Step
from audio_assets.errors import UserError


class Sour(ValueError):
    """An error of the project's own."""


def obey(setup, emit):
    """Returns what obeys one input after the other. `setup` may name a file to log that it was called."""
    if setup == "refuse":
        raise Sour("there is nothing to be set up")
    if setup == "explain":
        raise UserError("Install the weights.")
    if setup:
        with Path(setup).open("a") as log:
            log.write(f"{os.getpid()}\n")
    return partial(_obey, emit)


def _obey(emit, words):
    for word in words:
        name, _, text = word.partition(" ")
        COMMANDS[name](emit, text)
    return len(words)


def _step(emit, text):
    name, time_s = text.split()
    emit(Step(name, Limits(float(time_s))))


def _raise(emit, text):
    raise Sour(text)


def _exit(emit, text):
    raise SystemExit(int(text))


def _kill(emit, text):
    os.kill(os.getpid(), signal.SIGKILL)


def _segfault(emit, text):
    import ctypes

    ctypes.string_at(0)


def _talk(emit, text):
    print(text, file=sys.stderr, flush=True)


def _grow(emit, text):
    hoard = []
    while True:
        hoard.append(bytearray(2**24))


def _breed(emit, text):
    """Children that hold memory, each less than is allowed, beside a worker that holds none."""
    code = f"hoard = bytearray({int(text)} * 2**20); import time; time.sleep(600)"
    for _ in range(4):
        subprocess.Popen([sys.executable, "-c", code])
    time.sleep(600)


def _fork(emit, text):
    child = os.fork()
    if child == 0:
        time.sleep(float(text))
        os._exit(0)
    emit(child)


def _child(emit, text):
    emit(subprocess.Popen(["sleep", text], close_fds=False).pid)


def _runaway(emit, text):
    emit(subprocess.Popen(["sleep", text], start_new_session=True).pid)


def _thread(emit, text):
    """A thread that Python would wait for before it ends."""
    threading.Thread(target=time.sleep, args=(float(text),), daemon=False).start()


def _deaf(emit, text):
    """A thread that keeps all others from running, as native code may that does not give up the lock."""

    def hold():
        import ctypes

        time.sleep(0.3)
        ctypes.PyDLL(None).sleep(int(text))

    threading.Thread(target=hold).start()


def _late(emit, text):
    """Emits when its input has long ended."""

    def later():
        time.sleep(float(text))
        emit("too late")

    threading.Thread(target=later).start()


def _mess(emit, text):
    emit(lambda: None)


COMMANDS = {
    "part": lambda emit, text: emit(text),
    "pid": lambda emit, text: emit(os.getpid()),
    "gpu": lambda emit, text: emit((os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES"))),
    "sleep": lambda emit, text: time.sleep(float(text)),
    "step": _step,
    "raise": _raise,
    "exit": _exit,
    "kill": _kill,
    "segfault": _segfault,
    "talk": _talk,
    "grow": _grow,
    "breed": _breed,
    "fork": _fork,
    "child": _child,
    "runaway": _runaway,
    "thread": _thread,
    "deaf": _deaf,
    "file": lambda emit, text: Path(os.environ["TMPDIR"], text).write_text("half a stem"),
    "late": _late,
    "mess": _mess,
}
