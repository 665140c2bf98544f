"""Files that are whole or not there, whatever is killed, full or without power: written beside, then renamed."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_STAGED = re.compile(r"\..+\.\d+-\d+")
"""How a file is called while it is written: its name, the process and the thread."""


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that takes the place of `path` when the block ends well, and is on disk then.

    Folders are made, a link stays one, and permissions are those of what was there.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with staged.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a lost power supply leaves an empty file of the new name
        with suppress(FileNotFoundError):
            staged.chmod(target.stat().st_mode)
        staged.replace(target)
        sync_folder(target.parent)
    finally:
        staged.unlink(missing_ok=True)


def sweep_staged(folder: Path, before: float) -> None:
    """Remove what processes that were killed have left half written in a folder, last changed `before` a time."""
    for path in folder.rglob(".*"):
        with suppress(OSError):  # another one sweeps too
            if _STAGED.fullmatch(path.name) and path.is_file() and path.stat().st_mtime < before:
                path.unlink()


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk, where its file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
