"""Folders for the temporary files of workers, which do not outlive their session for long.

A session that is killed cannot remove its folder. As long as it lives it holds a lock in it; the next
session of this machine removes all folders whose lock nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "audio-assets-"
LOCK = "in-use"


class Scratch:
    """A folder in `root` (default: that of temporary files) with one for each worker in it."""

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
        """A new folder for a worker."""
        return Path(tempfile.mkdtemp(dir=self.path))

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def sweep(root: Path) -> None:
    """Remove the folders of sessions that are no more."""
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
