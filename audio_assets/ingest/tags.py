"""Tags inside audio files (ID3, Vorbis comments, APEv2, MP4, ASF, RIFF INFO, Matroska …) as one `Tags`.

Tags never decide whether audio is good: what cannot be read becomes a note. Names of fields in the
formats are those of the Picard mapping (picard-docs.musicbrainz.org, "Tag Mapping").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import mutagen

from audio_assets.audio.ffmpeg import HEAD

_NAMES: dict[str, tuple[str, ...]] = {
    "title": ("title", "TIT2", "©nam"),
    "artist": ("artist", "TPE1", "©ART", "Author"),
    "album": ("album", "TALB", "©alb", "WM/AlbumTitle"),
    "album_artist": ("albumartist", "album artist", "album_artist", "TPE2", "aART", "WM/AlbumArtist"),
    "composer": ("composer", "TCOM", "©wrt", "WM/Composer"),
    "date": ("date", "year", "TDRC", "©day", "WM/Year"),
    "genre": ("genre", "TCON", "©gen", "WM/Genre"),
    "language": ("language", "TLAN", "----:com.apple.iTunes:LANGUAGE", "WM/Language"),
    "isrc": ("isrc", "TSRC", "----:com.apple.iTunes:ISRC", "WM/ISRC"),
    "licence": ("license", "licence", "WCOP", "TXXX:LICENSE", "----:com.apple.iTunes:LICENSE"),
    "lyrics": ("lyrics", "unsyncedlyrics", "USLT", "©lyr", "WM/Lyrics"),
    "musicbrainz_recording_id": (
        "musicbrainz_trackid",
        "UFID:http://musicbrainz.org",
        "----:com.apple.iTunes:MusicBrainz Track Id",
        "MusicBrainz/Track Id",
    ),
    "musicbrainz_artist_id": (
        "musicbrainz_artistid",
        "TXXX:MusicBrainz Artist Id",
        "----:com.apple.iTunes:MusicBrainz Artist Id",
        "MusicBrainz/Artist Id",
    ),
    "musicbrainz_release_id": (
        "musicbrainz_albumid",
        "TXXX:MusicBrainz Album Id",
        "----:com.apple.iTunes:MusicBrainz Album Id",
        "MusicBrainz/Album Id",
    ),
    "musicbrainz_work_id": (
        "musicbrainz_workid",
        "TXXX:MusicBrainz Work Id",
        "----:com.apple.iTunes:MusicBrainz Work Id",
        "MusicBrainz/Work Id",
    ),
}


@dataclass(frozen=True)
class Tags:
    """What a file says of itself; None where it says nothing. Several values are joined by `; `.

    `year` is the first four-digit year of the date. `note` says why tags could not be read.
    """

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    album_artist: str | None = None
    composer: str | None = None
    year: int | None = None
    genre: str | None = None
    language: str | None = None
    isrc: str | None = None
    licence: str | None = None
    lyrics: str | None = None
    musicbrainz_recording_id: str | None = None
    musicbrainz_artist_id: str | None = None
    musicbrainz_release_id: str | None = None
    musicbrainz_work_id: str | None = None
    note: str | None = None


def read_tags(path: Path) -> Tags:
    """The tags of an audio file; never raises for what is inside it."""
    try:
        with path.open("rb") as source:
            # Without a type of its own mutagen guesses by content and name.
            file = mutagen.File(source)
            raw = dict(file.tags or {}) if file is not None else {}
        if not raw:
            raw = _ffmpeg_tags(path)
        fields = {field: _find(raw, names) for field, names in _NAMES.items()}
    except Exception as error:  # mutagen lets any error of a broken file through
        return Tags(note=f"tags cannot be read ({type(error).__name__}: {error})")
    year = re.search(r"(?<!\d)[12]\d{3}", fields.pop("date") or "")
    return Tags(year=int(year[0]) if year else None, **fields)


def _ffmpeg_tags(path: Path) -> dict[str, str]:
    """What FFmpeg finds where mutagen finds nothing: RIFF INFO, Matroska, CAF, AU and others.

    Text that is no UTF-8 is taken as Latin-1, as old programs write RIFF INFO. Only the head of the file is looked
    at: to find out all about its streams takes FFmpeg longer than all else that is done with a short file.
    """
    try:
        # A playlist named song.mp3 must not open other files or addresses.
        options = {"protocol_whitelist": "none", **HEAD}
        with (
            path.open("rb") as source,
            av.open(source, options=options, metadata_errors="surrogateescape") as file,
        ):
            found = dict(file.metadata)
            for stream in file.streams.audio[:1]:
                found = stream.metadata | found
    except (av.FFmpegError, ValueError):  # what libsndfile alone reads
        return {}
    return {name: _utf8_or_latin1(text) for name, text in found.items()}


def _utf8_or_latin1(text: str) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _find(raw: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        for key, value in raw.items():
            # Lyrics in ID3 have a language after the frame's name.
            named = key.casefold() == name.casefold() or (name == "USLT" and key.startswith("USLT:"))
            if named and (text := _text(value)):
                return text
    return None


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "; ".join(filter(None, map(_text, value)))
    if isinstance(value, bytes):
        return _clean(value.decode("utf-8", "replace"))
    # An ID3 genre may be a number, an ID3 frame a list of texts, an ASF attribute a value.
    for attribute in ("genres", "text", "url", "data", "value"):
        if (inner := getattr(value, attribute, None)) is not None:
            return _text(inner)
    return _clean(str(value))


def _clean(text: str) -> str:
    """Text that every database takes: no lone surrogates, no control characters but line breaks."""
    text = text.encode("utf-8", "replace").decode()
    text = re.sub(r"\r\n?", "\n", text.strip("\0")).replace("\0", "; ")
    return re.sub(r"[\x01-\x08\x0b-\x1f\x7f]", "", text).strip()
