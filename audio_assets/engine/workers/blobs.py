"""Blobs on their way from an asset's function to object storage."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audio_assets.engine.declare.tables import Blob, Row
from audio_assets.resources.objects import Objects


def store_blobs(objects: Objects, prefix: str, index: int, row: Row) -> Row:
    """The row number `index`, with the keys under which its blobs are stored now.

    A key ends in the hash of its bytes, since code that drifted may give other bytes.
    """
    found = dict(row)
    for name, value in row.items():
        if isinstance(value, Blob):
            found[name] = f"{prefix}-{name}-{index}-{_digest(value.data)}.{value.extension}"
            objects.put(found[name], value.data)
    return found


def remove_files(returned: Any) -> None:
    """Remove the files of blobs, whatever else is wrong with what an asset returned."""
    rows = returned if isinstance(returned, list | tuple) else [returned]
    for row in rows:
        for value in row.values() if isinstance(row, Mapping) else ():
            if isinstance(value, Blob) and isinstance(value.data, Path):
                value.data.unlink(missing_ok=True)


def _digest(data: bytes | Path) -> str:
    if isinstance(data, bytes):
        return hashlib.blake2b(data, digest_size=8).hexdigest()
    with data.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
