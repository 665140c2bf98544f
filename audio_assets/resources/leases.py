"""Leases: what a process holds for as long as it lives.

A lease is a lock on a file, which the system takes back from a process that ends, however it ends. So nothing that
died holds anything up, and nobody has to guess whether a process is still there. The file says who holds it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

POLL_S = 0.2
REMINDER_S = 30.0


@dataclass(frozen=True)
class Holder:
    """Who holds a lease: a process, what for, and since when, in seconds of the epoch."""

    process: int
    what: str
    since: float

    def __str__(self) -> str:
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"{self.what} (process {self.process}, since {started})"


class Lease:
    """A lease that this process may take; leaving the block, or ending, gives it back."""

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what
        self._file: int | None = None

    def take(self) -> bool:
        """Whether this process holds it now; False: another one does."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(
            self._path, os.O_RDWR | os.O_CREAT, 0o644
        )  # not inherited by processes that are started
        if not _lock(file, fcntl.LOCK_EX):
            os.close(file)
            return False
        holder = Holder(os.getpid(), self._what, time.time())
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(asdict(holder)).encode(), 0)
        self._file = file
        return True

    def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Whether a living process holds the lease."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _lock(file, fcntl.LOCK_SH)
    finally:
        os.close(file)


def holder_of(path: Path) -> Holder | None:
    """Who holds the lease, or held it last; None: nobody ever did, or the file says nothing that can be read."""
    with suppress(OSError, ValueError, TypeError):
        return Holder(**json.loads(path.read_bytes()))
    return None


@contextmanager
def slot(
    folder: Path,
    pool: str,
    slots: int,
    what: str,
    *,
    waiting: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """One of the `slots` of a pool on this machine, which is waited for.

    While there is none, `waiting` is told who holds them, at first and every `REMINDER_S`; `check` is called
    all the time, and may raise.
    """
    paths = [folder / f"{pool}.{number}" for number in range(slots)]
    leases = [Lease(path, what) for path in paths]
    told = -REMINDER_S
    while True:
        taken = next((lease for lease in leases if lease.take()), None)
        if taken is not None:
            break
        if time.monotonic() - told >= REMINDER_S:
            told = time.monotonic()
            holders = ", ".join(str(found) for path in paths if (found := holder_of(path)))
            waiting(f"waiting for pool {pool}, held by {holders or 'another process'}")
        check()
        time.sleep(POLL_S)
    with taken:
        yield


def _lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
