"""The catalog: the kinds of items there are, and the tables that ingest writes them to.

`tracks` are music, `episodes` long speech. An item is its bytes: the same file in two places is one
item with two rows in `locations`. Files that could not be read are in `rejected_files` with the reason.
"""

from __future__ import annotations

from audio_assets.audio.decode import AudioError, readable
from audio_assets.audio.signal import Signal
from audio_assets.engine import BOOLEAN, FLOAT, INTEGER, TEXT, TIMESTAMP, Column, Item, ItemKind
from audio_assets.ingest.inspect import hash_file
from audio_assets.ingest.uris import from_uri


def open_recording(item: Item) -> Signal:
    """The item's audio, after making sure that the file still holds the bytes it was ingested with.

    Raises:
        AudioError: the file is gone or has changed.
    """
    if not item.path:
        raise AudioError(f"{item.key}: no file holds its bytes any more; ingest it from where it is now")
    path = from_uri(item.path)
    try:
        status = path.stat()
    except OSError as error:
        raise AudioError(
            f"{readable(path)}: the file is gone ({(error.strerror or '').lower()}); put it back, or "
            "ingest it from where it is now"
        ) from error
    unchanged = (status.st_size, status.st_mtime_ns) == (
        item.record.get("size_bytes"),
        item.record.get("modified_ns"),
    )
    if not unchanged and hash_file(path) != item.content_hash:
        raise AudioError(
            f"{readable(path)}: the file has changed since it was ingested; ingest it again, which makes "
            "it a new item"
        )
    return Signal(path)


TRACK = ItemKind("track", "tracks", open_recording, "A piece of music.")
EPISODE = ItemKind("episode", "episodes", open_recording, "Long speech, such as a podcast episode.")
KINDS = (TRACK, EPISODE)

RECORDING_COLUMNS = (
    Column("item", TEXT, doc="Key: readable slug and the first digits of the content hash"),
    Column("content_hash", TEXT, doc="BLAKE2b-128 of the file's bytes"),
    Column("path", TEXT, doc="file:// URI where the bytes are read from; see `locations` for all"),
    Column("title", TEXT, doc="Title tag"),
    Column("artist", TEXT, doc="Artist tag"),
    Column("album", TEXT, doc="Album tag"),
    Column("album_artist", TEXT, doc="Album artist tag"),
    Column("composer", TEXT, doc="Composer tag"),
    Column("year", INTEGER, doc="Year of the date tag"),
    Column("genre", TEXT, doc="Genre tag"),
    Column("folder_genre", TEXT, doc="Genre by folder: <genre>/<subgenre>/file"),
    Column("folder_subgenre", TEXT, doc="Subgenre by folder"),
    Column("language", TEXT, doc="Language tag"),
    Column("isrc", TEXT, doc="International Standard Recording Code"),
    Column(
        "licence", TEXT, doc="Licence of the recording: `licence` in the JSON beside the file, or the tag"
    ),
    Column("musicbrainz_recording_id", TEXT, doc="MusicBrainz recording"),
    Column("musicbrainz_artist_id", TEXT, doc="MusicBrainz artist"),
    Column("musicbrainz_release_id", TEXT, doc="MusicBrainz release"),
    Column("musicbrainz_work_id", TEXT, doc="MusicBrainz work"),
    Column("duration_s", FLOAT, doc="Length of what decodes", unit="s"),
    Column("container", TEXT, doc="Container format"),
    Column("codec", TEXT, doc="Audio codec"),
    Column("bit_depth", INTEGER, doc="Bits per sample, where the codec has them", unit="bit"),
    Column("sample_rate", INTEGER, doc="Sample rate", unit="Hz"),
    Column("channels", INTEGER, doc="Number of channels"),
    Column("samples", INTEGER, doc="Samples per channel that decode, whatever the header says"),
    Column("size_bytes", INTEGER, doc="File size", unit="B"),
    Column("truncated", BOOLEAN, doc="The file ends before its header says, or has damaged parts"),
    Column("lyrics", TEXT, doc="Lyrics or transcript beside the file, or in its tags"),
    Column("timed_lyrics_json", TEXT, doc="Lines with times (from .lrc), as JSON"),
    Column("metadata_json", TEXT, doc="The JSON object beside the file"),
    Column("label_uris", TEXT, doc="Label tracks beside the file", length="any"),
    Column("sidecars_digest", TEXT, doc="Changes when a file beside it does"),
    Column("imported_events_json", TEXT, doc="Events imported from a collection's annotations, as JSON"),
    Column("kind_reason", TEXT, doc="How the kind of item was told"),
    Column("notes", TEXT, doc="Faults in tags and files beside it", length="any"),
    Column("modified_ns", INTEGER, doc="Time of change of the file, since 1970", unit="ns"),
    Column("ingested_at", TIMESTAMP, doc="When it was first ingested"),
)

LOCATION_COLUMNS = (
    Column("uri", TEXT, doc="file:// URI"),
    Column("item", TEXT, doc="The item whose bytes are there"),
    Column("kind", TEXT, doc="track or episode"),
    Column("relative_path", TEXT, doc="Path below the folder that was ingested"),
    Column("size_bytes", INTEGER, doc="File size when ingested", unit="B"),
    Column("modified_ns", INTEGER, doc="Time of change when ingested, since 1970", unit="ns"),
    Column("sidecars_digest", TEXT, doc="Digest of the files beside it"),
    Column("seen_at", TIMESTAMP, doc="When it was ingested last"),
)

REJECTED_COLUMNS = (
    Column("uri", TEXT, doc="file:// URI"),
    Column("reason", TEXT, doc="Why the file is no item"),
    Column("size_bytes", INTEGER, doc="File size when rejected", unit="B"),
    Column("modified_ns", INTEGER, doc="Time of change when rejected, since 1970", unit="ns"),
    Column("seen_at", TIMESTAMP, doc="When it was rejected last"),
)

CATALOG_TABLES = {
    "tracks": RECORDING_COLUMNS,
    "episodes": RECORDING_COLUMNS,
    "locations": LOCATION_COLUMNS,
    "rejected_files": REJECTED_COLUMNS,
}
