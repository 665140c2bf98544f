"""`inspect`: one audio file → one flat, typed `Recording`, ready for a table.

The audio is decoded once as a stream, so lengths are counted and a file that cannot be decoded to
its end is known before it enters the catalog; then its packets are read once more for their hash.
Tags and files beside never decide whether audio is good: their faults are `notes`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from audio_assets.audio.decode import AudioError, AudioStream, readable
from audio_assets.engine.workers.session import Emit
from audio_assets.ingest.folders import Kind, folder_hints
from audio_assets.ingest.identity import sound_hash
from audio_assets.ingest.keys import item_key
from audio_assets.ingest.kinds import choose_kind
from audio_assets.ingest.sidecars import read_sidecars
from audio_assets.ingest.tags import read_tags
from audio_assets.ingest.text import read_lyrics
from audio_assets.ingest.uris import absolute, to_uri


@dataclass(frozen=True)
class Recording:
    """An audio file and all that is known of it before anything is computed.

    Identity is `content_hash` alone, the file's `sound_hash`. All text is valid UTF-8. None: not
    known. `samples` is per channel, as decoded; `truncated`: the file ends before its header says,
    or has damaged parts. `kind_reason` says how the kind was told, `tags_json` has all tags found,
    `sidecars_digest` changes when files beside change, `notes` are faults of tags and files beside.
    """

    key: str
    content_hash: str
    kind: Kind
    kind_reason: str
    uri: str
    relative_path: str
    size_bytes: int
    modified_ns: int
    container: str
    codec: str
    bit_depth: int | None
    sample_rate: int
    channels: int
    samples: int
    duration_s: float
    truncated: bool
    title: str | None
    artist: str | None
    album: str | None
    album_artist: str | None
    composer: str | None
    year: int | None
    genre: str | None
    language: str | None
    isrc: str | None
    licence: str | None
    musicbrainz_recording_id: str | None
    musicbrainz_artist_id: str | None
    musicbrainz_release_id: str | None
    musicbrainz_work_id: str | None
    folder_genre: str | None
    folder_subgenre: str | None
    lyrics: str | None
    timed_lyrics_json: str | None
    metadata_json: str | None
    label_uris: tuple[str, ...]
    tags_json: str
    sidecars_digest: str | None
    notes: tuple[str, ...]


def inspect(
    path: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    kind: Kind | None = None,
) -> Recording:
    """Read a file and what lies beside it.

    `root` is the ingested folder, whose subfolders name genre and kind (default: the file's own);
    `kind` is what the user says it is. Lyrics beside the file come before lyrics in its tags,
    which may have times (LRC) too.

    Raises:
        AudioError: the file cannot be read or decoded, or changes meanwhile.
    """
    path = absolute(path)
    root = path.parent if root is None else absolute(root)
    before = _state(path)
    with AudioStream(path) as stream:
        for _ in stream.chunks():
            pass
    content_hash = sound_hash(path)
    tags = read_tags(path)
    if _state(path) != before:
        raise AudioError(
            f"{readable(path)}: found a file that changed while it was read; wanted a finished "
            "one: ingest it again when it is fully copied"
        )
    beside = read_sidecars(path)
    folders = folder_hints(path, root)
    form = stream.format
    duration_s = stream.samples / form.sample_rate
    choice = choose_kind(said=kind, folders=folders, tags=tags, duration_s=duration_s, channels=form.channels)
    names = (tags.artist, tags.title) if tags.title else (path.stem,)
    found_tags = {name: value for name, value in asdict(tags).items() if value is not None}
    lyrics, timed_lyrics = beside.lyrics, beside.timed_lyrics
    if not lyrics and tags.lyrics:
        lyrics, timed_lyrics = read_lyrics(tags.lyrics)
    timed = [asdict(line) for line in timed_lyrics]
    return Recording(
        key=item_key(content_hash, *names),
        content_hash=content_hash,
        kind=choice.kind,
        kind_reason=readable(choice.reason),
        uri=to_uri(path),
        relative_path=readable(path.relative_to(root)),
        size_bytes=before[0],
        modified_ns=before[1],
        container=form.container,
        codec=form.codec,
        bit_depth=form.bit_depth,
        sample_rate=form.sample_rate,
        channels=form.channels,
        samples=stream.samples,
        duration_s=duration_s,
        truncated=stream.truncated,
        title=tags.title,
        artist=tags.artist,
        album=tags.album,
        album_artist=tags.album_artist,
        composer=tags.composer,
        year=tags.year,
        genre=tags.genre,
        language=tags.language,
        isrc=tags.isrc,
        licence=_licence(beside.metadata) or tags.licence,
        musicbrainz_recording_id=tags.musicbrainz_recording_id,
        musicbrainz_artist_id=tags.musicbrainz_artist_id,
        musicbrainz_release_id=tags.musicbrainz_release_id,
        musicbrainz_work_id=tags.musicbrainz_work_id,
        folder_genre=readable(folders.genre) if folders.genre else None,
        folder_subgenre=readable(folders.subgenre) if folders.subgenre else None,
        lyrics=lyrics,
        timed_lyrics_json=json.dumps(timed, ensure_ascii=False) if timed else None,
        metadata_json=beside.metadata,
        label_uris=tuple(map(to_uri, beside.label_paths)),
        tags_json=json.dumps(found_tags, ensure_ascii=False),
        sidecars_digest=beside.digest,
        notes=(*((tags.note,) if tags.note else ()), *beside.notes),
    )


@dataclass(frozen=True)
class FileToInspect:
    """A file for a worker; `root` as `inspect` takes it."""

    path: Path
    root: Path


def inspector(kind: Kind | None, _: Emit) -> Callable[[FileToInspect], Recording]:
    """For workers: `inspect` for files of a `kind`."""
    return lambda file: inspect(file.path, file.root, kind)


def _licence(metadata: str | None) -> str | None:
    """The licence that the JSON object beside a file names."""
    values = json.loads(metadata) if metadata else {}
    found = next((values[name] for name in ("licence", "license") if values.get(name)), None)
    return str(found) if found else None


def _state(path: Path) -> tuple[int, int]:
    """Size and time of change; of a missing file nothing, which decoding then reports."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_size, status.st_mtime_ns)
