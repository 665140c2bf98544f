"""A home that was moved, copied or restored: what names its old place is brought to the new one.

A home remembers where it stood when it was last used, in a file. Absolute paths below that place stand in the
tracking database (artifacts, data sets), in journals of trainings, and in the lake where audio lies in the home
(the demo's corpus). All else in a home is relative to it.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
from filelock import FileLock

from audio_assets.resources.files import write_file
from audio_assets.resources.journal import JOURNAL, Journal
from audio_assets.resources.lake import Lake, quote, quoted
from audio_assets.resources.locks import check_locks
from audio_assets.resources.tracking import database_of, training_root
from audio_assets.settings import Settings

PLACE = "place"
"""The file that says where the home stood."""

MLFLOW_PATHS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
    ("datasets", "dataset_source"),
)
"""The columns of MLflow's database that hold absolute paths or addresses of files."""


@dataclass(frozen=True)
class Move:
    """From where to where a home was moved."""

    old: Path
    new: Path

    @property
    def beginnings(self) -> dict[str, str]:
        """What paths and addresses below the old place begin with, and what they begin with now."""
        pairs = ((self.old.as_uri(), self.new.as_uri()), (str(self.old), str(self.new)))
        return {f"{old}/": f"{new}/" for old, new in pairs}

    def of(self, value: Any) -> Any:
        """`value`, or all values in it, at the new place."""
        if isinstance(value, dict):
            return {key: self.of(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.of(part) for part in value]
        if isinstance(value, str):
            for old, new in self.beginnings.items():
                if value.startswith(old) and not value.startswith(new):  # brought there already
                    return new + value.removeprefix(old)
        return value


def settle_home(settings: Settings, lake: Lake, tables: Iterable[str]) -> None:
    """Bring what names the home's old place to its new one, if it was moved; `tables` name audio.

    A home that cannot be written is left as it is.
    """
    if _is_settled(settings.home) or not os.access(settings.home, os.W_OK):
        return
    check_locks(settings.home)
    with FileLock(settings.home / f".{PLACE}.lock"):
        move = find_move(settings.home)
        if move is not None:
            settle_mlflow(settings)
            _settle_journals(settings, move)
            _settle_lake(lake, tables, move)
        write_file(settings.home / PLACE, os.fsencode(settings.home))


def find_move(home: Path) -> Move | None:
    """The move that a home has not been settled after; None: it stands where it stood, or is new."""
    try:
        old = Path(os.fsdecode((home / PLACE).read_bytes()))
    except FileNotFoundError:
        return None
    return None if _is_settled(home) or not old.is_absolute() else Move(old, home)


def _is_settled(home: Path) -> bool:
    try:
        old = Path(os.fsdecode((home / PLACE).read_bytes()))
    except FileNotFoundError:
        return False
    return old == home or (old.exists() and old.samefile(home))  # or reached by a link


def settle_mlflow(settings: Settings) -> None:
    """Bring MLflow's paths to the home's new place, if it was moved."""
    move, database = find_move(settings.home), database_of(settings.mlflow_uri)
    if move is None or database is None or not database.is_file():
        return
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        for table, column in MLFLOW_PATHS:
            rows = connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL")
            for rowid, value in rows.fetchall():
                moved = _of_text(move, value)
                if moved != value:
                    statement = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"
                    connection.execute(statement, (moved, rowid))


def _of_text(move: Move, value: str) -> str:
    """A path, or a JSON object with paths."""
    if not value.startswith("{"):
        return str(move.of(value))
    content = json.loads(value)
    moved = move.of(content)
    return value if moved == content else json.dumps(moved)


def _settle_journals(settings: Settings, move: Move) -> None:
    for path in training_root(settings).rglob(JOURNAL):
        Journal(path.parent).rewrite(move.of)


def _settle_lake(lake: Lake, tables: Iterable[str], move: Move) -> None:
    """Bring paths of audio in the home to its new place, where they came with it; a backup has no audio."""
    columns = lake.rows(
        "SELECT table_name, column_name, data_type = 'VARCHAR' FROM duckdb_columns() "
        "WHERE database_name = 'lake' AND data_type IN ('VARCHAR', 'VARCHAR[]') "
        f"AND table_name IN (SELECT unnest({quoted(tables)}))"
    )
    statements = [
        f'UPDATE "{table}" SET {_brought(column, is_text, old, new)}'
        for table, column, is_text in columns
        for old, new in _folders_that_came(lake, move, table, column, is_text)
    ]

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        for statement in statements:
            connection.execute(statement)

    if statements:
        lake.write(change)


def _folders_that_came(
    lake: Lake, move: Move, table: str, column: str, is_text: bool
) -> Iterator[tuple[str, str]]:
    """What values of a column begin with, for each folder of the home that they name and that is there."""
    for old, new in move.beginnings.items():
        values = f'"{column}"' if is_text else f'unnest("{column}")'
        rows = lake.rows(
            f"SELECT DISTINCT split_part(substr(x, {len(old) + 1}), '/', 1) "
            f'FROM (SELECT {values} AS x FROM "{table}") WHERE {_is_old("x", old, new)}'
        )
        for (name,) in rows:
            if (move.new / (unquote(name) if old.startswith("file:") else name)).exists():
                yield f"{old}{name}", f"{new}{name}"


def _brought(column: str, is_text: bool, old: str, new: str) -> str:
    """The end of an UPDATE that puts `new` in the place of `old` at the beginning of values."""
    name = f'"{column}"'
    if is_text:
        return f"{name} = {_moved(name, old, new)} WHERE {_is_old(name, old, new)}"
    one = f"CASE WHEN {_is_old('x', old, new)} THEN {_moved('x', old, new)} ELSE x END"
    return (
        f"{name} = list_transform({name}, lambda x: {one}) "
        f"WHERE len(list_filter({name}, lambda x: {_is_old('x', old, new)})) > 0"
    )


def _is_old(value: str, old: str, new: str) -> str:
    return f"starts_with({value}, {quote(old)}) AND NOT starts_with({value}, {quote(new)})"


def _moved(value: str, old: str, new: str) -> str:
    return f"{quote(new)} || substr({value}, {len(old) + 1})"
