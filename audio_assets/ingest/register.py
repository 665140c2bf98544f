"""From files to catalog rows: what `audio-assets ingest` and the inbox sensor do.

Files are inspected by worker processes, so that a file that crashes a decoder costs only itself, and
registered in transactions of a few hundred. A file whose path, size and time of change are known and
whose sidecars are as they were is not read again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from audio_assets.audio.decode import readable
from audio_assets.engine import Item, Outcome
from audio_assets.engine.declare.outcomes import ItemResult
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.items import local_workers
from audio_assets.engine.state.ledger import arrow_table
from audio_assets.engine.workers.tasks import ItemTask, Task
from audio_assets.errors import UserError
from audio_assets.ingest.annotations.events import events_to_json
from audio_assets.ingest.annotations.matching import Matches, match_recordings
from audio_assets.ingest.annotations.podcastfillers import Collection
from audio_assets.ingest.catalog import CATALOG_TABLES
from audio_assets.ingest.discover import Found, discover
from audio_assets.ingest.folders import Kind
from audio_assets.ingest.inspect import Recording
from audio_assets.ingest.recordings import recordings
from audio_assets.ingest.sidecars import read_sidecars
from audio_assets.ingest.uris import from_uri, to_uri
from audio_assets.resources.lake import quoted

CHUNK_FILES = 256
CHUNK_SECONDS = 10.0


class IngestError(UserError, ValueError):
    """Nothing can be ingested from what was given."""


@dataclass
class Report:
    """What became of the files: numbers, keys of new items by kind, and what was rejected."""

    added: int = 0
    known: int = 0
    moved: int = 0
    new_keys: dict[str, list[str]] = field(default_factory=lambda: {"track": [], "episode": []})
    rejected: list[tuple[str, str]] = field(default_factory=list)


def register(
    platform: Platform,
    paths: Sequence[str | os.PathLike[str]],
    kind: Kind | None = None,
    on_file: Callable[[int, int], None] = lambda done, total: None,
    limit: int | None = None,
    *,
    skip_rejected: bool = False,
) -> Report:
    """Register the audio in `paths`; at most `limit` files that are not known yet.

    Files that were rejected are tried again, unless with `skip_rejected` those that have not changed since.

    Raises:
        IngestError: there is no audio file in any of `paths`.
    """
    discovery = discover(paths)
    report = Report()
    report.rejected = [(readable(skip.path), skip.reason) for skip in discovery.skipped]
    if not discovery.found and not discovery.skipped:
        raise IngestError(f"No audio files in {', '.join(readable(Path(p)) for p in paths)}.")
    known = _known_locations(platform)
    new = [found for found in discovery.found if not _is_known(found, kind, known)]
    report.known = len(discovery.found) - len(new)
    if skip_rejected:
        rejected = _rejected_files(platform)
        new = [found for found in new if not _is_rejected(found, rejected)]
    _Registrar(platform, kind, report).run(new[:limit], on_file)
    return report


Location = tuple[str, int, int, str | None]


def _known_locations(platform: Platform) -> dict[str, Location]:
    query = "SELECT uri, kind, size_bytes, modified_ns, sidecars_digest FROM locations"
    return {uri: tuple(rest) for uri, *rest in platform.lake.rows(query)}


def _is_known(found: Found, kind: Kind | None, known: dict[str, Location]) -> bool:
    location = known.get(to_uri(found.path))
    if location is None or (kind is not None and location[0] != kind):
        return False
    status = found.path.stat()
    if (status.st_size, status.st_mtime_ns) != location[1:3]:
        return False
    return read_sidecars(found.path).digest == location[3]


FileState = tuple[int, int]
"""Size in bytes and time of change in nanoseconds."""


def _file_state(path: Path) -> FileState | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _rejected_files(platform: Platform) -> dict[str, FileState]:
    rows = platform.lake.rows("SELECT uri, size_bytes, modified_ns FROM rejected_files")
    return {uri: (size, modified) for uri, size, modified in rows}


def _is_rejected(found: Found, rejected: dict[str, FileState]) -> bool:
    state = rejected.get(to_uri(found.path))
    return state is not None and state == _file_state(found.path)


@dataclass(frozen=True)
class _Inspected:
    recording: Recording
    modified_ns: int


@dataclass(frozen=True)
class _Rejected:
    uri: str
    reason: str
    state: FileState | None


class _Registrar:
    def __init__(self, platform: Platform, kind: Kind | None, report: Report) -> None:
        self._platform = platform
        self._kind = kind
        self._report = report
        self._states: dict[str, FileState | None] = {}

    def run(self, files: Sequence[Found], on_file: Callable[[int, int], None]) -> None:
        if not files:
            return
        on_file(0, len(files))
        by_uri = {to_uri(found.path): found for found in files}
        tasks = (Task((self._task(uri, found),)) for uri, found in by_uri.items())
        good: list[_Inspected] = []
        bad: list[_Rejected] = []
        last, done = time.monotonic(), 0
        with local_workers(self._platform, [recordings], len(files)) as workers:
            for result in workers.run(tasks):
                done += 1
                on_file(done, len(files))
                if result.outcome is Outcome.OK:
                    path = by_uri[result.item].path
                    good.append(_Inspected(_recording(result), path.stat().st_mtime_ns))
                else:
                    bad.append(_Rejected(result.item, result.reason or "", self._states[result.item]))
                if len(good) + len(bad) >= CHUNK_FILES or time.monotonic() - last > CHUNK_SECONDS:
                    self._store(good, bad)
                    good, bad, last = [], [], time.monotonic()
        self._store(good, bad)

    def _task(self, uri: str, found: Found) -> ItemTask:
        self._states[uri] = _file_state(found.path)  # before it is read: it may still be growing
        record = {"root": to_uri(found.root), "kind": self._kind}
        return ItemTask(Item(uri, "", uri, 0.0, record), {recordings.name: ""})

    def _store(self, good: Sequence[_Inspected], bad: Sequence[_Rejected]) -> None:
        if not good and not bad:
            return
        now = datetime.now(UTC)
        counted = Report()

        def change(connection: duckdb.DuckDBPyConnection) -> None:
            nonlocal counted
            counted = _write(connection, good, bad, self._kind, now)

        self._platform.lake.write(change)
        report = self._report
        report.added += counted.added
        report.moved += counted.moved
        report.known += counted.known
        for kind, keys in counted.new_keys.items():
            report.new_keys[kind] += keys
        report.rejected += [(readable(from_uri(file.uri)), file.reason) for file in bad]


def _recording(result: ItemResult) -> Recording:
    values: dict[str, Any] = json.loads(result.rows[0]["json"])
    lists = {name: tuple(values[name]) for name in ("label_uris", "notes")}
    return Recording(**{**values, **lists})


def _write(
    connection: duckdb.DuckDBPyConnection,
    good: Iterable[_Inspected],
    bad: Sequence[_Rejected],
    said: Kind | None,
    now: datetime,
) -> Report:
    """Write a chunk within one transaction, after looking up what the catalog holds by then."""
    counted = Report()
    inspected = list(good)
    uris = [entry.recording.uri for entry in inspected]
    hashes = [entry.recording.content_hash for entry in inspected]
    items = _items_by_hash(connection, hashes)
    places = dict(
        connection.execute(
            f"SELECT uri, item FROM locations WHERE uri IN (SELECT unnest({quoted(uris)}))"
        ).fetchall()
    )
    rows: dict[Kind, dict[str, dict[str, Any]]] = {"track": {}, "episode": {}}
    locations = []
    for entry in inspected:
        recording = entry.recording
        existing = items.get(recording.content_hash)
        if existing is None:
            key, kind, since, events = recording.key, recording.kind, now, None
            counted.added += 1
            counted.new_keys[kind].append(key)
        else:
            key, kind, since, events = existing
            kind = said or kind
            if recording.uri in places:
                counted.known += 1
            else:
                counted.moved += 1
        items[recording.content_hash] = (key, kind, since, events)
        rows[kind][key] = _catalog_row(entry, key, since) | {"imported_events_json": events}
        locations.append(_location_row(entry, key, kind, now))
    replaced = [places[row["uri"]] for row in locations if places.get(row["uri"], row["item"]) != row["item"]]
    for kind, by_key in rows.items():
        for plural in CATALOG_OF.values():
            _delete(connection, plural, "item", list(by_key))
        _insert(connection, CATALOG_OF[kind], list(by_key.values()))
    _delete(connection, "locations", "uri", uris)
    _insert(connection, "locations", locations)
    _repoint(connection, replaced)
    _delete(connection, "rejected_files", "uri", [*uris, *(file.uri for file in bad)])
    _insert(connection, "rejected_files", [_rejected_row(file, now) for file in bad])
    return counted


Existing = tuple[str, Kind, datetime, str | None]
"""Key, kind, time of the first ingest and imported events of an item of the catalog."""

CATALOG_OF: dict[Kind, str] = {"track": "tracks", "episode": "episodes"}


def _items_by_hash(connection: duckdb.DuckDBPyConnection, hashes: Sequence[str]) -> dict[str, Existing]:
    found: dict[str, Existing] = {}
    for kind, plural in CATALOG_OF.items():
        query = (
            f"SELECT content_hash, item, ingested_at, imported_events_json FROM {plural} "
            f"WHERE content_hash IN (SELECT unnest({quoted(hashes)}))"
        )
        for content_hash, key, *rest in connection.execute(query).fetchall():
            found[content_hash] = (key, kind, *rest)
    return found


def _repoint(connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> None:
    """Items whose file now holds other bytes are read from another place, or from none."""
    for plural in CATALOG_OF.values() if keys else ():
        connection.execute(
            f"UPDATE {plural} SET path = (SELECT min(uri) FROM locations WHERE item = {plural}.item) "
            f"WHERE item IN (SELECT unnest({quoted(keys)}))"
        )


def _catalog_row(entry: _Inspected, key: str, since: datetime) -> dict[str, Any]:
    recording = replace(entry.recording, key=key)
    values = asdict(recording) | {
        "item": key,
        "path": recording.uri,
        "modified_ns": entry.modified_ns,
        "ingested_at": since,
    }
    return {column.name: values.get(column.name) for column in CATALOG_TABLES["tracks"]}


def _location_row(entry: _Inspected, key: str, kind: Kind, now: datetime) -> dict[str, Any]:
    recording = entry.recording
    return {
        "uri": recording.uri,
        "item": key,
        "kind": kind,
        "relative_path": recording.relative_path,
        "size_bytes": recording.size_bytes,
        "modified_ns": entry.modified_ns,
        "sidecars_digest": recording.sidecars_digest,
        "seen_at": now,
    }


def _rejected_row(file: _Rejected, now: datetime) -> dict[str, Any]:
    size_bytes, modified_ns = file.state or (None, None)
    return {
        "uri": file.uri,
        "reason": file.reason,
        "size_bytes": size_bytes,
        "modified_ns": modified_ns,
        "seen_at": now,
    }


def _delete(connection: duckdb.DuckDBPyConnection, table: str, column: str, values: Sequence[str]) -> None:
    if values:
        connection.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT unnest({quoted(values)}))")


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.register("new_rows", arrow_table(CATALOG_TABLES[table], rows))
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM new_rows")
        connection.unregister("new_rows")


def import_events(platform: Platform, collection: Collection) -> Matches:
    """Give the events of a collection to the episodes it names; names that fit none are left out.

    Episodes must be in the catalog before. Events that an episode had imported are replaced.
    """
    places = [
        (item, from_uri(uri).name)
        for item, uri in platform.lake.rows("SELECT item, uri FROM locations WHERE kind = 'episode'")
    ]
    matches = match_recordings(collection.events, places)
    rows = [
        {"item": item, "events": events_to_json(collection.events[name])}
        for name, item in matches.items.items()
    ]

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        connection.register("imported", pa.Table.from_pylist(rows))
        connection.execute(
            "UPDATE episodes SET imported_events_json = imported.events FROM imported "
            "WHERE episodes.item = imported.item"
        )
        connection.unregister("imported")

    if rows:
        platform.lake.write(change)
    return matches
