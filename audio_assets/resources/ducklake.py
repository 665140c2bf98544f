"""What DuckLake's own tables, its metadata, say of the files of a lake.

Its procedures tell only of files that can be read now; these tables name all of them. They are in the catalog,
which every connection to the lake has attached as `METADATA`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import duckdb

METADATA = "__ducklake_metadata_lake"


@dataclass(frozen=True)
class TableFile:
    """A file that the lake names, of now or of a past snapshot.

    `id` is that of the data file; `is_delete` tells a file with the numbers of its deleted rows. Rows in it were
    written by the snapshots from `first` to `last`; those of items from `least` to `greatest`, where that is known.
    """

    id: int
    table_id: int
    table: str
    path: str
    size: int
    rows: int
    first: int
    last: int
    is_delete: bool = False
    least: str | None = None
    greatest: str | None = None


def table_files(connection: duckdb.DuckDBPyConnection) -> list[TableFile]:
    """All data files and delete files that the catalog names, with paths relative to the lake's data."""
    rows = connection.execute(f"""
        WITH folder AS (
            SELECT t.table_id, t.table_name, concat(s.path, t.path) AS path
            FROM {METADATA}.ducklake_table t JOIN {METADATA}.ducklake_schema s USING (schema_id)
            QUALIFY row_number() OVER (PARTITION BY t.table_id ORDER BY t.begin_snapshot DESC) = 1
        ), items AS (
            SELECT s.data_file_id, s.min_value, s.max_value FROM {METADATA}.ducklake_file_column_stats s
            WHERE (s.table_id, s.column_id) IN (SELECT (table_id, column_id) FROM {METADATA}.ducklake_column
                                                WHERE column_name = 'item' AND parent_column IS NULL)
        ), data AS (
            SELECT d.*, least, greatest FROM {METADATA}.ducklake_data_file d
            LEFT JOIN (SELECT data_file_id, min_value AS least, max_value AS greatest FROM items)
            USING (data_file_id)
        )
        SELECT d.data_file_id, table_id, table_name, concat(folder.path, d.path), file_size_bytes, record_count,
            begin_snapshot, coalesce(partial_max, begin_snapshot), false, least, greatest
        FROM data d JOIN folder USING (table_id)
        UNION ALL
        SELECT d.data_file_id, d.table_id, table_name, concat(folder.path, e.path), e.file_size_bytes,
            e.delete_count, d.begin_snapshot, coalesce(d.partial_max, d.begin_snapshot), true, least, greatest
        FROM {METADATA}.ducklake_delete_file e JOIN data d USING (data_file_id)
        JOIN folder ON folder.table_id = d.table_id
        ORDER BY ALL
    """).fetchall()
    return [TableFile(*row) for row in rows]


def drop_files(
    connection: duckdb.DuckDBPyConnection, files: Sequence[TableFile], there: Sequence[str]
) -> None:
    """Take data files, with what is deleted in them, out of all snapshots; a snapshot of its own tells of it.

    Within the caller's transaction, which changes nothing else. The files that are `there` still are left to
    DuckLake, to be removed from storage when others are.
    """
    ids = ", ".join(str(file.id) for file in files)
    tables = sorted({file.table_id for file in files})
    for table in tables:
        connection.execute(f"""
            UPDATE {METADATA}.ducklake_table_stats SET
                record_count = greatest(0, record_count - (SELECT coalesce(sum(record_count), 0)::BIGINT
                    FROM {METADATA}.ducklake_data_file WHERE table_id = {table} AND data_file_id IN ({ids}))),
                file_size_bytes = greatest(0, file_size_bytes - (SELECT coalesce(sum(file_size_bytes), 0)::BIGINT
                    FROM {METADATA}.ducklake_data_file WHERE table_id = {table} AND data_file_id IN ({ids})))
            WHERE table_id = {table}
        """)
        with suppress(duckdb.CatalogException):  # a table of which no row was deleted has none
            connection.execute(
                f"DELETE FROM {METADATA}.ducklake_inlined_delete_{table} WHERE file_id IN ({ids})"
            )
    for name in (
        "ducklake_data_file", "ducklake_delete_file", "ducklake_file_column_stats", "ducklake_file_variant_stats",
        "ducklake_file_partition_value",
    ):  # fmt: skip
        connection.execute(f"DELETE FROM {METADATA}.{name} WHERE data_file_id IN ({ids})")
    for file in files:
        if file.path in there:
            connection.execute(
                f"INSERT INTO {METADATA}.ducklake_files_scheduled_for_deletion VALUES (?, ?, true, now())",
                [file.id, file.path],
            )
    ((snapshot,),) = connection.execute(
        f"SELECT max(snapshot_id) + 1 FROM {METADATA}.ducklake_snapshot"
    ).fetchall()
    connection.execute(
        f"INSERT INTO {METADATA}.ducklake_snapshot SELECT {snapshot}, now(), schema_version, next_catalog_id, "
        f"next_file_id FROM {METADATA}.ducklake_snapshot WHERE snapshot_id = {snapshot - 1}"
    )
    changes = ",".join(f"deleted_from_table:{table}" for table in tables)
    connection.execute(
        f"INSERT INTO {METADATA}.ducklake_snapshot_changes "
        f"VALUES ({snapshot}, '{changes}', 'audio-assets', 'repair', NULL)"
    )


def stored_data_path(connection: duckdb.DuckDBPyConnection) -> str:
    """Where the catalog says that the lake's data are; paths of files are relative to it."""
    rows = connection.execute(
        f"SELECT value FROM {METADATA}.ducklake_metadata WHERE key = 'data_path' AND scope IS NULL"
    ).fetchall()
    return str(rows[0][0])


def set_data_path(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Let the catalog say that the lake's data are at `path`."""
    connection.execute(
        f"UPDATE {METADATA}.ducklake_metadata SET value = ? WHERE key = 'data_path' AND scope IS NULL",
        [_folder(path)],
    )


def is_at(connection: duckdb.DuckDBPyConnection, path: str) -> bool:
    """Whether the catalog says that the lake's data are at `path`."""
    return _folder(stored_data_path(connection)) == _folder(path)


def some_data_file(connection: duckdb.DuckDBPyConnection) -> str | None:
    """A data file that the lake has now, relative to its data; None: it has none."""
    rows = connection.execute(
        f"SELECT concat(s.path, t.path, f.path) FROM {METADATA}.ducklake_data_file f "
        f"JOIN {METADATA}.ducklake_table t USING (table_id) JOIN {METADATA}.ducklake_schema s USING (schema_id) "
        "WHERE f.path_is_relative AND f.end_snapshot IS NULL LIMIT 1"
    ).fetchall()
    return str(rows[0][0]) if rows else None


def _folder(path: str) -> str:
    return f"{path.rstrip('/')}/"
