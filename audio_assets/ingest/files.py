"""Files and the items whose sound they hold: what a chunk of inspected files changes in the lake.

An item may have several files, a file has one item. **Of an item's present files the catalog shows the one
that was first seen with its sound, of several the first by URI**: its tags and what lies beside it are the
item's row, and its bytes are read. So a copy that comes later changes nothing, whatever its tags; and when
the shown file is given another sound, the next one is shown by what was found when it was ingested. What
belongs to the item itself is its key, kind, hash, imported events and the time of the first ingest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

import duckdb

from audio_assets.engine.declare.tables import Table
from audio_assets.engine.state.catalog import remove_items, write_items
from audio_assets.engine.state.rows import arrow_table, insert_rows
from audio_assets.ingest.catalog import FILES, ITEM_COLUMNS, RECORDING_COLUMNS, REJECTED_FILES
from audio_assets.ingest.folders import Kind
from audio_assets.ingest.inspect import Recording
from audio_assets.resources.lake import quote, quoted

CATALOG_OF: dict[Kind, str] = {"track": "tracks", "episode": "episodes"}

PRESENT = "present"


@dataclass(frozen=True)
class Rejected:
    """A file that is no item, why, and its size and time of change; None: they could not be had."""

    uri: str
    reason: str
    size_bytes: int | None
    modified_ns: int | None


@dataclass
class Counts:
    """What became of files: new items by kind, files that were known, known items' files at another place."""

    known: int = 0
    moved: int = 0
    new_keys: dict[Kind, list[str]] = field(default_factory=lambda: {"track": [], "episode": []})


@dataclass(frozen=True)
class _Item:
    """What the catalog holds of an item whichever file is shown."""

    item: str
    kind: Kind
    content_hash: str
    kind_reason: str | None
    imported_events_json: str | None
    ingested_at: datetime


def write_files(
    connection: duckdb.DuckDBPyConnection,
    good: Iterable[Recording],
    bad: Sequence[Rejected],
    said: Kind | None,
    now: datetime,
) -> Counts:
    """Write what was found in files, within the caller's transaction, after looking up what the lake holds
    by then.

    `said` is the kind that the user gives all of them. `now` is the same for all files of one ingest, so
    that it does not depend on who was inspected first which of them is shown.
    """
    recordings = sorted(good, key=lambda recording: recording.uri)
    uris = [recording.uri for recording in recordings]
    before = _files(connection, uris)
    items = _items(connection, "content_hash", [recording.content_hash for recording in recordings])
    counts = Counts()
    rows = []
    kinds_before = {item.item: item.kind for item in items.values()}
    for recording in recordings:
        item = items.get(recording.content_hash)
        if item is None:
            item = _new_item(recording, now)
            counts.new_keys[item.kind].append(item.item)
        elif recording.uri in before:
            counts.known += 1
        else:
            counts.moved += 1
        if said is not None:
            item = replace(item, kind=said, kind_reason=recording.kind_reason)
        items[recording.content_hash] = item
        was, since = before.get(recording.uri, (item.item, now))
        rows.append(_file_row(recording, item, since if was == item.item else now, now))
    left = {was for was, _ in before.values()} - {item.item for item in items.values()}
    items |= _items(connection, "item", sorted(left))
    _replace(connection, FILES, uris if before else [], rows)
    for item in items.values():
        if kinds_before.get(item.item, item.kind) != item.kind:
            _change_kind(connection, item.item, item.kind)
    _show(connection, items.values())
    _replace(
        connection,
        REJECTED_FILES,
        [*uris, *(file.uri for file in bad)],
        [asdict(file) | {"seen_at": now} for file in bad],
    )
    return counts


def set_events(connection: duckdb.DuckDBPyConnection, events: dict[str, str]) -> None:
    """Give episodes imported events, as JSON by item, within the caller's transaction."""
    rows = _rows(connection, "episodes", sorted(events))
    changed = [row | {"imported_events_json": events[row["item"]]} for row in rows]
    write_items(connection, "episodes", RECORDING_COLUMNS, changed)


def _new_item(recording: Recording, now: datetime) -> _Item:
    return _Item(recording.key, recording.kind, recording.content_hash, recording.kind_reason, None, now)


def _file_row(recording: Recording, item: _Item, since: datetime, now: datetime) -> dict[str, Any]:
    values = asdict(recording) | {"path": recording.uri}
    shown = {c.name: values[c.name] for c in RECORDING_COLUMNS if c.name not in ITEM_COLUMNS}
    return {
        "uri": recording.uri,
        "item": item.item,
        "kind": item.kind,
        "relative_path": recording.relative_path,
        "size_bytes": recording.size_bytes,
        "modified_ns": recording.modified_ns,
        "tags_json": recording.tags_json,
        "shown_json": json.dumps(shown, ensure_ascii=False),
        "sidecars_digest": recording.sidecars_digest,
        "state": PRESENT,
        "first_seen_at": since,
        "seen_at": now,
    }


def _change_kind(connection: duckdb.DuckDBPyConnection, key: str, kind: Kind) -> None:
    """Take an item out of the catalog of the other kind; its files are of the new one."""
    for other, plural in CATALOG_OF.items():
        if other != kind:
            remove_items(connection, plural, [key])
    connection.execute(f"UPDATE files SET kind = {quote(kind)} WHERE item = {quote(key)}")


def _show(connection: duckdb.DuckDBPyConnection, items: Iterable[_Item]) -> None:
    """Write the catalog's rows of items by the files that are to be shown; without one only the path goes."""
    by_key = {item.item: item for item in items}
    shown = _shown(connection, list(by_key))
    for kind, plural in CATALOG_OF.items():
        keys = [key for key, item in by_key.items() if item.kind == kind]
        without_file = _rows(connection, plural, [key for key in keys if key not in shown])
        rows = shown | {row["item"]: row | {"path": None} for row in without_file}
        own = {key: {name: getattr(by_key[key], name) for name in ITEM_COLUMNS} for key in keys}
        write_items(connection, plural, RECORDING_COLUMNS, [rows[key] | own[key] for key in keys])


def _shown(connection: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the catalog shows of items by the file that it shows; items without a present file are left
    out."""
    query = (
        f"SELECT item, shown_json FROM files WHERE item IN (SELECT unnest({quoted(keys)})) "
        f"AND state = '{PRESENT}' "
        "QUALIFY row_number() OVER (PARTITION BY item ORDER BY first_seen_at, uri) = 1"
    )
    return {item: json.loads(shown) for item, shown in connection.execute(query).fetchall()}


def _files(connection: duckdb.DuckDBPyConnection, uris: Sequence[str]) -> dict[str, tuple[str, datetime]]:
    """The item of each file that is known, and since when it has that sound."""
    query = f"SELECT uri, item, first_seen_at FROM files WHERE uri IN (SELECT unnest({quoted(uris)}))"
    return {uri: (item, since) for uri, item, since in connection.execute(query).fetchall()}


def _items(connection: duckdb.DuckDBPyConnection, column: str, values: Sequence[str]) -> dict[str, _Item]:
    """Items of the catalogs by their hash, of which `column` is one of `values`."""
    found: dict[str, _Item] = {}
    for kind, plural in CATALOG_OF.items():
        query = (
            "SELECT item, content_hash, kind_reason, imported_events_json, ingested_at "
            f"FROM {plural} WHERE {column} IN (SELECT unnest({quoted(values)}))"
        )
        for item, content_hash, *rest in connection.execute(query).fetchall() if values else ():
            found[content_hash] = _Item(item, kind, content_hash, *rest)
    return found


def _rows(connection: duckdb.DuckDBPyConnection, plural: str, keys: Sequence[str]) -> list[dict[str, Any]]:
    if not keys:
        return []
    cursor = connection.execute(f"SELECT * FROM {plural} WHERE item IN (SELECT unnest({quoted(keys)}))")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _replace(
    connection: duckdb.DuckDBPyConnection, table: Table, uris: Sequence[str], rows: Sequence[dict[str, Any]]
) -> None:
    """Take the rows of `uris` out of a table and put `rows` in."""
    if uris:
        connection.execute(f"DELETE FROM {table.name} WHERE uri IN (SELECT unnest({quoted(uris)}))")
    if rows:
        insert_rows(connection, table.name, arrow_table(table.columns, rows))
