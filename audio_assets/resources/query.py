"""SQL on the platform's tables, for the command line and for notebooks."""

from __future__ import annotations

import io
import json
from typing import Literal

import duckdb

from audio_assets.errors import UserError
from audio_assets.resources.lake import Lake, LakeError
from audio_assets.settings import Settings, get_settings

Format = Literal["table", "csv", "json", "parquet"]


class QueryError(UserError, ValueError):
    """A query cannot be run; the message is DuckDB's, with what helps."""


def connect(settings: Settings | None = None, *, write: bool = False) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with all tables and views, read-only unless `write`.

    >>> connection = connect()  # doctest: +SKIP
    >>> connection.sql("SELECT item, lufs FROM loudness").pl()  # doctest: +SKIP

    Raises:
        LakeError: there is no lake yet, or it cannot be opened.
    """
    chosen = settings or get_settings()
    lake = Lake.from_settings(chosen, read_only=not write)
    if not lake.exists:
        raise LakeError(
            f"There is no lake in {chosen.home} yet: `audio-assets ingest PATH` makes one "
            "(AUDIO_ASSETS_HOME chooses the folder)."
        )
    return lake.open()


def run_query(connection: duckdb.DuckDBPyConnection, query: str, form: Format) -> bytes:
    """The result of the last statement of `query` in the given form.

    Raises:
        QueryError: the statement is wrong, or writes on a read-only connection.
    """
    try:
        relation = connection.sql(query)
    except duckdb.InvalidInputException as error:
        if "read-only" in str(error):
            raise QueryError(
                "This would change the lake, and the connection is read-only; "
                "--write allows it if you mean it."
            ) from error
        raise QueryError(str(error)) from error
    except duckdb.Error as error:
        raise QueryError(str(error)) from error
    if relation is None:
        return b""
    try:
        return _formatted(relation, form)
    except duckdb.Error as error:
        raise QueryError(str(error)) from error


def _formatted(relation: duckdb.DuckDBPyRelation, form: Format) -> bytes:
    if form == "table":
        text = io.StringIO()
        print(relation, end="", file=text)
        return text.getvalue().encode()
    frame = relation.pl()
    buffer = io.BytesIO()
    if form == "parquet":
        frame.write_parquet(buffer)
    elif form == "csv":
        lists = [name for name, kind in frame.schema.items() if kind.is_nested()]
        from polars import Series

        def json_text(value: object) -> str | None:
            return None if value is None else json.dumps(value, default=str, ensure_ascii=False)

        as_json = [Series(name, [json_text(value) for value in frame[name].to_list()]) for name in lists]
        frame.with_columns(as_json).write_csv(buffer)
    else:
        floats = [name for name, kind in frame.schema.items() if kind.is_float()]
        frame = frame.with_columns(frame[name].fill_nan(None) for name in floats)  # JSON has no NaN
        rows = (json.dumps(row, default=str, ensure_ascii=False) for row in frame.iter_rows(named=True))
        buffer.write(("[" + ",\n ".join(rows) + "]\n").encode())
    return buffer.getvalue()
