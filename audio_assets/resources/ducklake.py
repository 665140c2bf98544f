"""What DuckLake's own tables, its metadata, say of the files of a lake.

Its procedures tell only of files that can be read now; these tables name all of them. They are in the catalog,
which every connection to the lake has attached as `METADATA`.
"""

from __future__ import annotations

import duckdb

METADATA = "__ducklake_metadata_lake"


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
