"""Files of a home are deleted by one at a time, and not while a backup copies them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from audio_assets.errors import UserError

LOCK = ".storage.lock"
WAIT_S = 600.0


class StorageBusyError(UserError, RuntimeError):
    """Maintenance or a backup does not end."""


@contextmanager
def alone_with_files(home: Path, wait_s: float = WAIT_S) -> Iterator[None]:
    """Held while files of a home are deleted, or copied.

    Raises:
        StorageBusyError: another process has held it for `wait_s`.
    """
    lock = FileLock(home / LOCK)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise StorageBusyError(
            f"Maintenance or a backup has been at work in {home} for {wait_s:g} s; run again when it has ended."
        ) from error
    try:
        yield
    finally:
        lock.release()
