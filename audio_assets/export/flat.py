"""Features of tracks as flat names and values: what .INFO files and data sets hold.

They are the columns of all one-row tables, so that a new asset is exported without a word here: every
name of the view `track_features` that is measured on tracks, and more. Lists of fixed length up to
`LONGEST_LIST` are spread (``chroma_0`` ..); longer ones (embeddings) and series (onset times) are left
out. Likely labels stand under ``tags`` as probabilities by family and label, captions under ``captions``
by kind. What was not measured is left out too: a name that is there has a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from audio_assets.assets.catalog import TRACK
from audio_assets.engine.declare.tables import OBJECT, Column
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.reading import rows_by_item

IDENTITY = ("title", "artist", "album", "year", "genre", "duration_s")
"""Columns of the catalog that go with the features."""

LONGEST_LIST = 12


def flat_features(platform: Platform, items: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Names and values of each item."""
    found: dict[str, dict[str, Any]] = {key: {} for key in items}
    for key, rows in rows_by_item(platform, TRACK.plural, items).items():
        known = ((name, rows[0][name]) for name in IDENTITY)
        found[key] |= {name: value for name, value in known if value is not None}
    for asset in platform.graph.assets:
        if asset.item is TRACK and asset.table.rows == "one":
            for key, rows in rows_by_item(platform, asset.name, items).items():
                for name, value in flat_row(asset.table.columns, rows[0]).items():
                    found[key].setdefault(name, value)
    for key, rows in rows_by_item(platform, "top_tags", items, "rank").items():
        for row in rows:
            found[key].setdefault("tags", {}).setdefault(row["family"], {})[row["label"]] = row["probability"]
    for key, rows in rows_by_item(platform, "captions", items, "kind").items():
        found[key]["captions"] = {row["kind"]: row["text"] for row in rows}
    return found


def flat_row(columns: Sequence[Column], row: Mapping[str, Any]) -> dict[str, Any]:
    """One row under flat names.

    >>> from audio_assets.engine import FLOAT
    >>> columns = [Column("tiv", FLOAT, length=2, doc=""), Column("lra", FLOAT, doc="")]
    >>> flat_row(columns, {"tiv": [0.5, 1.0], "lra": None})
    {'tiv_0': 0.5, 'tiv_1': 1.0}
    """
    return dict(_flat(columns, row))


def _flat(columns: Sequence[Column], row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for column in columns:
        value = row[column.name]
        if value is None or column.type is OBJECT:
            continue
        if column.length is None:
            yield column.name, value
        elif isinstance(column.length, int) and column.length <= LONGEST_LIST:
            yield from ((f"{column.name}_{index}", part) for index, part in enumerate(value))
