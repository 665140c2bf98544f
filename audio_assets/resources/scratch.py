"""Folders for temporary files, which do not outlive for long what made them.

A process that is killed cannot remove its folder. As long as it lives it holds a lock in it; the next one on this
machine removes all folders whose lock nobody holds. What DuckDB spills, plans on their way to storage and workers'
half-written sound all stand in such folders.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

PREFIX = "audio-assets-"
LOCK = "in-use"


class Scratch:
    """A folder in `root` (default: that of temporary files) with further ones in it, e.g. for each worker."""

    def __init__(self, root: Path | None = None) -> None:
        root = root or Path(tempfile.gettempdir())
        sweep(root)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        # Held before it has its name, so that nobody finds it free.
        staged = self.path / f"{LOCK}.new"
        self._lock = os.open(staged, os.O_CREAT | os.O_RDWR)
        with suppress(OSError):  # storage without locks: nobody else gets one either
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        staged.rename(self.path / LOCK)

    def folder(self) -> Path:
        """A new folder in this one."""
        return Path(tempfile.mkdtemp(dir=self.path))

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def sweep(root: Path) -> None:
    """Remove the folders of processes that are no more."""
    for lock in root.glob(f"{PREFIX}*/{LOCK}"):
        try:
            descriptor = os.open(lock, os.O_RDWR)
        except OSError:  # another user's, or gone
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass
        else:
            shutil.rmtree(lock.parent, ignore_errors=True)
        finally:
            os.close(descriptor)


@cache
def _of_process(pid: int) -> Scratch:
    scratch = Scratch()
    atexit.register(scratch.close)
    return scratch


def process_scratch() -> Scratch:
    """That of this process, which goes when it ends."""
    return _of_process(os.getpid())


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that goes with the block."""
    folder = process_scratch().folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
