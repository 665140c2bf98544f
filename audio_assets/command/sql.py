"""`sql`: questions to the tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from audio_assets.command.app import app
from audio_assets.command.output import friendly


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="SQL; or give a file with -f.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="File with the SQL.")] = None,
    form: Annotated[
        Literal["table", "csv", "json", "parquet"], typer.Option("--format", help="Output format.")
    ] = "table",
    write: Annotated[bool, typer.Option("--write", help="Allow changes to the lake.")] = False,
) -> None:
    """Run SQL on the tables and print the result; without a query, list the tables."""
    from audio_assets.resources.query import QueryError, connect, run_query

    with friendly():
        if query and file:
            raise QueryError("Give a query or a file, not both.")
        if file is not None and not file.is_file():
            raise QueryError(f"There is no file {file}.")
        text = file.read_text(encoding="utf-8") if file else query or "SHOW TABLES"
        connection = connect(write=write)
        try:
            sys.stdout.buffer.write(run_query(connection, text, form))
            sys.stdout.buffer.flush()
        finally:
            connection.close()
