"""Rows of the lake by item, as the mappings that assets returned them."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from audio_assets.engine.declare.tables import Row
from audio_assets.engine.platform import Platform
from audio_assets.resources.lake import quoted

RowsByItem = dict[str, list[Row]]


def rows_by_item(
    platform: Platform, table: str, items: Sequence[str], order: str | None = None
) -> RowsByItem:
    """The rows of a table or view for `items`, in the order of the column `order`.

    Items without rows are left out; a table that the platform does not have has none.
    """
    ordered = f' ORDER BY "{order}"' if order else ""
    query = f'SELECT * FROM "{table}" WHERE item IN (SELECT unnest({quoted(items)})){ordered}'
    found: RowsByItem = {}
    with platform.lake.get_connection() as connection:
        try:
            cursor = connection.execute(query)
        except duckdb.CatalogException:
            return found
        columns = [column[0] for column in cursor.description]
        for values in cursor.fetchall():
            row = dict(zip(columns, values, strict=True))
            found.setdefault(row["item"], []).append(row)
    return found
