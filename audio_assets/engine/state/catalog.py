"""Catalogs of items: a row for each item as people see it, and its canonical text as fingerprints take it.

Beside every catalog table, e.g. ``tracks``, stands ``tracks_text`` with the same columns as text: a value that an
asset `reads` enters its fingerprint by this text, which is written once, at registration, so that no release of a
database or of Python can change a fingerprint by printing a number in another way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb

from audio_assets.engine.declare.tables import TEXT, Column
from audio_assets.engine.state.ledger import arrow_table
from audio_assets.resources.lake import quoted

LONGEST_TEXT = 64
"""Longer texts, such as lyrics, are stored as their hash."""


def text_table(plural: str) -> str:
    """The table that holds the canonical text of the catalog `plural`."""
    return f"{plural}_text"


def catalog_tables(plural: str, columns: Sequence[Column]) -> dict[str, tuple[Column, ...]]:
    """The two tables of a catalog, by name."""
    texts = (Column(c.name, TEXT, doc=f"`{c.name}` as fingerprints take it") for c in columns)
    return {plural: tuple(columns), text_table(plural): tuple(texts)}


def canonical_text(value: Any) -> str | None:
    """A value of a catalog as text that is the same for ever; None stays None, and is no text.

    >>> canonical_text(1.0), canonical_text("a"), canonical_text(["b", None]), canonical_text(None)
    ('1.0', '"a"', '["b",null]', None)
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        value = value.astimezone(UTC).isoformat()
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if len(text) <= LONGEST_TEXT:
        return text
    return "sha256:" + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def write_items(
    connection: duckdb.DuckDBPyConnection,
    plural: str,
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Put `rows` in the place of those of the same items, within the caller's transaction."""
    remove_items(connection, plural, [row["item"] for row in rows])
    if not rows:
        return
    texts = [
        {c.name: row["item"] if c.name == "item" else canonical_text(row.get(c.name)) for c in columns}
        for row in rows
    ]
    for (name, declared), values in zip(catalog_tables(plural, columns).items(), (rows, texts), strict=True):
        connection.register("new_items", arrow_table(declared, values))
        connection.execute(f'INSERT INTO "{name}" BY NAME SELECT * FROM new_items')
        connection.unregister("new_items")


def remove_items(connection: duckdb.DuckDBPyConnection, plural: str, keys: Iterable[str]) -> None:
    """Take items out of a catalog, within the caller's transaction."""
    wanted = list(keys)
    for name in (plural, text_table(plural)) if wanted else ():
        connection.execute(f'DELETE FROM "{name}" WHERE item IN (SELECT unnest({quoted(wanted)}))')
