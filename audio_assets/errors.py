"""Errors whose message is for people, and any error in words that can be stored."""

from __future__ import annotations

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


def detail_of(error: BaseException) -> str:
    """The end of the error's traceback."""
    return storable("".join(traceback.format_exception(error))[-DETAIL_CHARACTERS:])


def storable(text: str) -> str:
    """Text that any database takes, whatever is in the file names and tags that it quotes."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")
