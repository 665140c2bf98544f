"""Files beside a recording that belong to it, by name. For `song.flac`:

| what | names, the first that is there counts |
|---|---|
| lyrics or transcript | `song.lrc`, `song.txt` |
| metadata, one JSON object | `song.json` |
| label tracks, all of them | `song.labels.txt`, `.csv`, `.json`; `song_labels.txt` …; `song.csv`, `.rttm` |

The whole file name may stand for the stem (`song.flac.txt`). A file that is no good is a note,
never a reason to refuse the recording.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeVar

from audio_assets.audio.decode import readable
from audio_assets.ingest.labels import read_labels
from audio_assets.ingest.text import LyricLine, SidecarError, lrc_words, parse_lrc, read_text

Parsed = TypeVar("Parsed")

_LYRICS = (".lrc", ".txt")
_METADATA = (".json",)
_LABELS = (
    *(f"{sign}labels{extension}" for sign in "._" for extension in (".txt", ".csv", ".json")),
    ".csv",
    ".rttm",
)


@dataclass(frozen=True)
class Sidecars:
    """What lies beside a recording.

    `lyrics` is plain text, `timed_lyrics` its lines where they have times (LRC). `metadata` is a
    normalised JSON object. `digest` changes when any of the files does, None if there are none.
    """

    lyrics: str | None
    timed_lyrics: tuple[LyricLine, ...]
    metadata: str | None
    label_paths: tuple[Path, ...]
    digest: str | None
    notes: tuple[str, ...]


def read_sidecars(path: Path) -> Sidecars:
    """Find and read what lies beside the audio file `path`; never raises for what is inside."""
    notes: list[str] = []

    def attempt(read: Callable[[Path], Parsed], file: Path) -> Parsed | None:
        try:
            return read(file)
        except SidecarError as error:
            notes.append(str(error))
            return None

    files = _files_beside(path)
    text = next((attempt(read_text, file) for file in files.lyrics), None)
    is_lrc = bool(files.lyrics) and files.lyrics[0].suffix == ".lrc"
    labels = [file for file in files.labels if attempt(read_labels, file) is not None]
    return Sidecars(
        lyrics=((lrc_words(text) if is_lrc else text.strip()) or None) if text else None,
        timed_lyrics=parse_lrc(text) if text and is_lrc else (),
        metadata=next((attempt(_read_metadata, file) for file in files.metadata), None),
        label_paths=tuple(labels),
        digest=_digest(files),
        notes=tuple(notes),
    )


def sidecars_digest(path: Path) -> str | None:
    """The `digest` of what lies beside the audio file `path`: their bytes are read, not what they say."""
    return _digest(_files_beside(path))


class _Files(NamedTuple):
    lyrics: list[Path]
    metadata: list[Path]
    labels: list[Path]


def _files_beside(path: Path) -> _Files:
    return _Files(_beside(path, _LYRICS)[:1], _beside(path, _METADATA)[:1], _beside(path, _LABELS))


def _beside(path: Path, endings: Sequence[str]) -> list[Path]:
    stems = (path.stem, path.name)
    candidates = [path.with_name(stem + ending) for ending in endings for stem in stems]
    return [candidate for candidate in candidates if _is_file(candidate)]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long with the ending, a folder that may not be searched
        return False


def _read_metadata(path: Path) -> str:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    try:
        metadata = json.loads(read_text(path), parse_constant=refuse)
        text = json.dumps(metadata, ensure_ascii=False, sort_keys=True, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError) as error:
        raise SidecarError(
            f"{readable(path.name)}: found no valid JSON ({error}); wanted one object"
        ) from error
    if not isinstance(metadata, dict):
        raise SidecarError(
            f"{readable(path.name)}: found a {type(metadata).__name__}; wanted one JSON object "
            "(a list of events belongs in a file that ends in .labels.json)"
        )
    return text


def _digest(files: _Files) -> str | None:
    whole = hashlib.blake2b(digest_size=16)
    for path in chain(*files):
        whole.update(path.suffix.encode())
        try:
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "blake2b").digest())
        except OSError:  # unreadable is a state of its own, which the note explains
            whole.update(b"unreadable")
    return whole.hexdigest() if any(files) else None
