"""Rows on their way to and from the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from audio_assets.engine.declare.tables import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    OBJECT,
    TEXT,
    TIMESTAMP,
    UNSIGNED,
    Column,
    Row,
)
from audio_assets.resources.lake import Lake, quoted

RowsByItem = dict[str, list[Row]]

_ARROW = {
    FLOAT.name: pa.float64(),
    INTEGER.name: pa.int64(),
    UNSIGNED.name: pa.uint64(),
    BOOLEAN.name: pa.bool_(),
    TEXT.name: pa.string(),
    OBJECT.name: pa.string(),
    TIMESTAMP.name: pa.timestamp("us", tz="UTC"),
}


FEW_ITEMS = 20_000


def only(items: Sequence[str] | None, word: str = "WHERE") -> str:
    """SQL behind a query that leaves out other items, where they are few; of many it is no help to list them."""
    if items is None or len(items) > FEW_ITEMS:
        return ""
    return f" {word} item IN (SELECT unnest({quoted(items)}))"


def arrow_table(columns: Sequence[Column], rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """`rows` as an Arrow table of the columns' types."""
    schema = pa.schema([(column.name, _arrow_type(column)) for column in columns])
    return pa.Table.from_pylist(list(rows), schema=schema)


def _arrow_type(column: Column) -> pa.DataType:
    if column.length is None:
        return _ARROW[column.type.name]
    return pa.list_(pa.float32() if column.type is FLOAT else _ARROW[column.type.name])


def insert_rows(connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Add rows to a table of the lake, by the names of their columns."""
    columns = ", ".join(f'"{name}"' for name in rows.column_names)
    connection.register("new_rows", rows)
    connection.execute(f'INSERT INTO "{table}" ({columns}) SELECT {columns} FROM new_rows')
    connection.unregister("new_rows")


def rows_by_item(lake: Lake, table: str, items: Sequence[str], order: str | None = None) -> RowsByItem:
    """The rows of a table or view for `items`, in the order of the column `order`.

    Items without rows are left out; a table that the lake does not have has none.
    """
    ordered = f' ORDER BY "{order}"' if order else ""
    query = f'SELECT * FROM "{table}" WHERE item IN (SELECT unnest({quoted(items)})){ordered}'
    found: RowsByItem = {}
    with lake.get_connection() as connection:
        try:
            cursor = connection.execute(query)
        except duckdb.CatalogException:
            return found
        columns = [column[0] for column in cursor.description]
        for values in cursor.fetchall():
            row = dict(zip(columns, values, strict=True))
            found.setdefault(row["item"], []).append(row)
    return found
