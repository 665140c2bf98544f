"""Whether locks hold where a home is to be: without them two processes write over each other.

Looked at when a home is new or at a new place, by what this machine says of the file system, and by trying: a
second process must not get what this one holds, neither as the platform's own locks (flock) nor as SQLite's (fcntl).
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from audio_assets.errors import UserError

MOUNTS = Path("/proc/self/mounts")
BETWEEN_MACHINES = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse"}
"""File systems on which SQLite's write-ahead log, which is memory that processes share, does not hold."""

TRY = """
import fcntl, sys
with open(sys.argv[1], "r+") as file:
    for lock in (fcntl.flock, fcntl.lockf):
        try:
            lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            sys.exit(lock.__name__)
        except BlockingIOError:
            pass
"""


class LocksError(UserError, RuntimeError):
    """Locks do not hold where a home is to be."""


def check_locks(folder: Path) -> None:
    """Make sure that locks hold in a folder, which is there.

    Raises:
        LocksError: they do not.
    """
    kind = file_system(folder)
    if kind in BETWEEN_MACHINES:
        raise _refused(folder, f"is on {kind}")
    handle, name = tempfile.mkstemp(dir=folder, prefix=".locks-")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        command = [sys.executable, "-I", "-S", "-c", TRY, name]
        tried = subprocess.run(command, capture_output=True, text=True, check=False)
        if tried.returncode:
            lost = tried.stderr.strip().splitlines()[-1:] or ["no answer"]
            raise _refused(folder, f"gave two processes the same lock ({lost[0]})")
    except OSError as error:
        raise _refused(folder, f"has no locks ({error.strerror})") from error
    finally:
        os.close(handle)
        Path(name).unlink(missing_ok=True)


def file_system(folder: Path) -> str | None:
    """The kind of file system a folder is on, as the machine names it; None: it does not say."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    place, kind = folder.resolve(), None
    longest = -1
    for line in lines:
        _, mount, name, *_ = line.split(" ")
        path = Path(mount.encode("latin-1", "surrogateescape").decode("unicode_escape"))
        if place.is_relative_to(path) and len(path.parts) >= longest:
            longest, kind = len(path.parts), name
    return kind


def _refused(folder: Path, why: str) -> LocksError:
    return LocksError(
        f"{folder} {why}, and a home needs locks that hold: choose a folder on a disk of this machine "
        "(AUDIO_ASSETS_HOME), or Postgres and S3 (AUDIO_ASSETS_PRESET=production)."
    )
