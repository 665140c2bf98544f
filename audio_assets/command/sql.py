"""`sql`: questions to the tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from audio_assets.command.app import app
from audio_assets.command.output import friendly, out


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="SQL; or give a file with -f.")] = None,
    *,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="File with the SQL.")] = None,
    form: Annotated[
        Literal["table", "csv", "json", "parquet"], typer.Option("--format", help="Output format.")
    ] = "table",
    write: Annotated[bool, typer.Option("--write", help="Allow changes to the lake.")] = False,
    files: Annotated[bool, typer.Option("--files", help="Allow reading and writing files.")] = False,
    spreadsheet: Annotated[
        bool,
        typer.Option("--spreadsheet", help="CSV whose texts no spreadsheet takes for formulas."),
    ] = False,
) -> None:
    """Run SQL on the tables and print the result; without a query, list the tables.

    It reads the lake and nothing else, unless --write or --files is given.
    """
    from audio_assets.assemble import current_platform
    from audio_assets.command.rows import written
    from audio_assets.command.tables import tables_query
    from audio_assets.resources.query import QueryError, connect

    with friendly():
        if query and file:
            raise QueryError("Give a query or a file, not both.")
        if file is not None and not file.is_file():
            raise QueryError(f"There is no file {file}.")
        if spreadsheet and form != "csv":
            raise QueryError("--spreadsheet is for --format csv.")
        text = file.read_text(encoding="utf-8") if file else query
        with connect(write=write, files=files) as connection:
            if text is None:
                width = out.width if form == "table" else None
                text = tables_query(connection, current_platform(), width)
            result = connection.sql(text)
            if result is not None:
                sys.stdout.buffer.write(written(result, form, spreadsheet=spreadsheet))
                sys.stdout.buffer.flush()
