"""Paths as `file://` URIs: plain ASCII text for tables, from which every path comes back exactly.

A POSIX path is bytes. Those that are not valid UTF-8 cannot be stored as text; percent-encoded
they can.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit


def absolute(path: str | os.PathLike[str]) -> Path:
    """The path from the root, without `..`; unlike `Path.resolve` it keeps symlinks as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def to_uri(path: str | os.PathLike[str]) -> str:
    """The URI of a path, made absolute.

    >>> to_uri("/music/Björk – Jóga.flac")
    'file:///music/Bj%C3%B6rk%20%E2%80%93%20J%C3%B3ga.flac'
    """
    return absolute(path).as_uri()


def from_uri(uri: str) -> Path:
    """The path of a `file://` URI, the inverse of `to_uri`.

    Raises:
        ValueError: the URI is of another scheme.
    """
    parts = urlsplit(uri)
    if parts.scheme != "file":
        raise ValueError(f"found the URI {uri}; wanted one that begins with file://")
    return Path(os.fsdecode(unquote_to_bytes(parts.path)))
