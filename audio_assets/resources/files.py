"""Files that the platform writes: safe names, and contents that are whole or not there.

A file is written beside its target and then renamed, so that nobody sees half of one, and left alone
where it holds the same bytes already. Names are safe on Linux, macOS and Windows and on memory sticks.
"""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from audio_assets.whole_files import replacing

LONGEST_NAME_BYTES = 150
"""Leaves room for endings, and for what programs put before and behind a name of at most 255 bytes."""

BLOCK_BYTES = 1 << 20

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\u2028\u2029\ud800-\udfff]+')
_DEVICES = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)


def safe_name(text: str, otherwise: str = "untitled") -> str:
    r"""`text` as a file name without a path: characters that some system refuses become ``_``.

    >>> safe_name("AC/DC: Who?"), safe_name(" ../x. "), safe_name("nul"), safe_name("\n")
    ('AC_DC_ Who_', '_.._x', '_nul', '_')
    >>> safe_name("", "track-1")
    'track-1'
    """
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", text)).strip(" ").rstrip(". ")
    name = name.encode()[:LONGEST_NAME_BYTES].decode(errors="ignore").rstrip(". ")
    if name.startswith((".", "-")) or _DEVICES.match(name):
        name = f"_{name}"
    return name or otherwise


def unique_names(wanted: Mapping[str, str]) -> dict[str, str]:
    """Safe file names by key; those of several keys get the end of their key behind them.

    Names that differ in case or accents' encoding only are the same name on some systems.

    >>> unique_names({"one-1a": "Song", "two-2b": "song", "three-3c": "Air"})
    {'one-1a': 'Song [1a]', 'two-2b': 'song [2b]', 'three-3c': 'Air'}
    """
    names = {key: safe_name(text, key) for key, text in wanted.items()}
    count = Counter(name.casefold() for name in names.values())
    return {
        key: name if count[name.casefold()] == 1 else f"{name} [{key.rpartition('-')[2]}]"
        for key, name in names.items()
    }


def write_file(path: Path, data: bytes) -> bool:
    """Write a file whole; whether its contents changed. Folders are made.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return False
    with replacing(path) as file:
        file.write(data)
    return True


def copy_file(source: Path, target: Path) -> bool:
    """Write a file's contents to another, as `write_file` does, without all of them in memory."""
    if target.is_file() and _same(source, target):
        return False
    with source.open("rb") as contents, replacing(target) as file:
        shutil.copyfileobj(contents, file)
    return True


def _same(one: Path, other: Path) -> bool:
    """Whether two files hold the same bytes now; `filecmp` remembers what it found."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        while block := first.read(BLOCK_BYTES):
            if block != second.read(BLOCK_BYTES):
                return False
    return True
