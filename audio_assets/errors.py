"""Errors whose message is for people, and any error in words that can be stored."""

from __future__ import annotations

import errno
import traceback

REASON_CHARACTERS = 1000
DETAIL_CHARACTERS = 4000


class UserError(Exception):
    """Something that the user can put right; commands show its message without a traceback."""


def reason_of(error: BaseException) -> str:
    """The error's message, with the name of its class where the message alone would not say much.

    >>> reason_of(KeyError("bpm")), reason_of(UserError("no such folder"))
    ("KeyError: 'bpm'", 'no such folder')
    """
    is_general = type(error).__module__ == "builtins"
    text = f"{type(error).__name__}: {error}" if is_general or not str(error) else str(error)
    return storable(text[:REASON_CHARACTERS])


STORAGE_ERRNOS = frozenset([
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.ESTALE,
])  # fmt: skip


def storage_reason(error: BaseException) -> str | None:
    """What a disk or SQLite said, in one line, if that is what `error` comes from, however it is wrapped.

    >>> storage_reason(OSError(28, "No space left on device", "/home/x"))
    '/home/x: No space left on device'
    >>> storage_reason(KeyError("bpm"))
    """
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno in STORAGE_ERRNOS:
            return f"{found.filename}: {found.strerror}" if found.filename else str(found.strerror)
        if type(found).__module__ == "sqlite3" and type(found).__name__ in (
            "OperationalError",
            "DatabaseError",
        ):
            return f"SQLite: {str(found).splitlines()[0]}"
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return None


def detail_of(error: BaseException) -> str:
    """The end of the error's traceback."""
    return storable("".join(traceback.format_exception(error))[-DETAIL_CHARACTERS:])


def storable(text: str) -> str:
    """Text that any database takes, whatever is in the file names and tags that it quotes."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")
