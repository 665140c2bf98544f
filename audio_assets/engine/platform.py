"""`Platform`: settings, assets, lake and objects together; what runs, status and queries start from."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from audio_assets.engine.code.state import CodeState
from audio_assets.engine.declare.asset import Recipe
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.declare.tables import FLOAT, INTEGER, OBJECT, TEXT, Column, Item, ItemKind, Table
from audio_assets.engine.state.adoption import (
    ADOPTIONS,
    SHOWN,
    Adopted,
    adoptable_checkpoints,
    adopted_checkpoints,
    settle_shown,
    shown_checkpoints,
)
from audio_assets.engine.state.checkpoints import CHECKPOINTS, TRAINING_ITEMS, TRAINING_SOURCES, Checkpoint
from audio_assets.engine.state.ledger import LEDGER
from audio_assets.engine.state.planner import make_plan
from audio_assets.engine.state.plans import Plan, Question
from audio_assets.engine.state.rows import arrow_table, insert_rows, only
from audio_assets.engine.state.states import DEFAULT, RunOptions
from audio_assets.engine.workers.local import LocalSession
from audio_assets.engine.workers.session import Session
from audio_assets.resources.belonging import check_unused, settle_objects
from audio_assets.resources.home_format import FORMAT, STATE_TABLE, check_format
from audio_assets.resources.lake import Lake, quote
from audio_assets.resources.moved import settle_home
from audio_assets.resources.objects import Objects
from audio_assets.settings import Settings

DICTIONARY = Table(
    "data_dictionary",
    columns=(
        Column("table_name", TEXT, doc="Table"),
        Column("column_name", TEXT, doc="Column"),
        Column("type", TEXT, doc="Type in the lake"),
        Column("unit", TEXT, doc="Unit of the values"),
        Column("low", FLOAT, doc="Lowest value allowed"),
        Column("high", FLOAT, doc="Highest value allowed"),
        Column("doc", TEXT, doc="What it holds"),
    ),
    doc="Every table and column, with unit and range.",
    rows="many",
)
STATE = Table(
    STATE_TABLE,
    columns=(
        Column("format", INTEGER, doc="Format of the home; another one is refused"),
        Column("schema_hash", TEXT, doc="Hash of all table and view declarations"),
        Column("lake_id", TEXT, doc="Id of the lake, which its object storage has too"),
    ),
    doc="What the tables were last made from.",
)
OWN_TABLES = (
    STATE, DICTIONARY, LEDGER, CHECKPOINTS, TRAINING_ITEMS, TRAINING_SOURCES, ADOPTIONS, SHOWN,
)  # fmt: skip


@dataclass(frozen=True)
class Platform:
    """Everything a run needs. `tables` are further tables (catalogs), `views` SQL files.

    `session` has the workers; whoever makes a platform closes it in the end, and they all end.
    """

    settings: Settings
    graph: AssetGraph
    lake: Lake
    objects: Objects
    tables: Sequence[Table]
    views: Sequence[Path] = ()
    session: Session = field(default_factory=LocalSession, compare=False, repr=False)

    @cached_property
    def recipes(self) -> Mapping[str, Recipe]:
        """How each asset is computed with the parameters in force; trained models are not looked up."""
        return self.graph.recipes(self.settings)

    @cached_property
    def code(self) -> Mapping[str, CodeState]:
        """The code behind each asset and all its upstream assets, as it was when first asked for."""
        return self.graph.code(self.settings)

    def adopted(self, names: Iterable[str]) -> dict[str, Adopted]:
        """The adopted checkpoint of each training among `names`, and of those that assets of `names` need."""
        assets = [self.graph.by_name[name] for name in names]
        trainings = {asset.model for asset in assets if asset.model}
        trainings |= {training.name for training in self.graph.trainings if training in assets}
        return adopted_checkpoints(self.lake, trainings)

    def checkpoints_upstream(self, name: str) -> dict[str, str]:
        """The checkpoint that the values of assets upstream of `name`, however far, are of, where they are of one."""
        upstream = self.graph.upstream_of([name])
        recipes = self.recipes_with(self.adopted(upstream))
        return {u: recipes[u].checkpoint for u in upstream if u in recipes and recipes[u].checkpoint}

    def recipes_with(
        self,
        adopted: Mapping[str, Adopted],
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> dict[str, Recipe]:
        """The recipes; those of assets that need a trained model with its checkpoint, or left out.

        `parameters` take the place of those in force, for the assets they name.

        Raises:
            ParameterError: one that the asset does not have, or a value of the wrong type.
        """
        recipes = dict(self.recipes)
        for name, values in (parameters or {}).items():
            in_force = self.settings.parameters.get(name, {})
            choices = self.graph.choices(self.settings)
            recipes[name] = self.graph.by_name[name].recipe({**in_force, **values}, choices)
        for asset in self.graph.assets:
            if not asset.model:
                continue
            if asset.model in adopted:
                recipes[asset.name] = with_checkpoint(recipes[asset.name], adopted[asset.model].checkpoint)
            else:
                del recipes[asset.name]
        return recipes

    def plan(
        self,
        names: Sequence[str],
        items: Sequence[str] | None = None,
        options: RunOptions = DEFAULT,
        *,
        keep: Path | None = None,
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Plan:
        """What is to be computed of the assets `names` for `items` (None: all), with one question to the lake.

        With `keep` the values per item are written into that folder, for the steps of a run. `parameters` take
        the place of those in force.
        """
        return make_plan(self.lake, self.question(names, items, options, parameters=parameters), keep)

    def question(
        self,
        names: Sequence[str],
        items: Sequence[str] | None = None,
        options: RunOptions = DEFAULT,
        *,
        parameters: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Question:
        """The question to the planner; `parameters` take the place of those in force for the assets they name."""
        needed = {*names, *(source for name in names for source in self.graph.by_name[name].upstream)}
        adopted = self.adopted(needed)
        uses_models = any(self.graph.by_name[name].model for name in needed)
        trainings = [training for training in self.graph.trainings if training.name in names]
        return Question(
            graph=self.graph,
            recipes=self.recipes_with(adopted, parameters or {}),
            code=self.code,
            selected=names,
            items=items,
            options=options,
            adopted={name: found.checkpoint.checkpoint for name, found in adopted.items()},
            adoptable=adoptable_checkpoints(self.lake, trainings, adopted),
            shown=shown_checkpoints(self.lake) if uses_models else {},
        )

    def settle_shown(self, names: Iterable[str]) -> None:
        """Let the views of assets among `names` show the values of the adopted checkpoints that are complete."""
        wanted = set(names)
        assets = [asset for asset in self.graph.item_assets if asset.name in wanted and asset.model]
        adopted = self.adopted(asset.name for asset in assets)
        for asset in assets:
            if asset.model in adopted:
                settle_shown(self.lake, asset, adopted[asset.model].checkpoint.checkpoint)

    @cached_property
    def _all_tables(self) -> dict[str, Sequence[Column]]:
        tables = [*OWN_TABLES, *self.tables, *self.graph.tables.values()]
        return {table.stored_as: table.all_columns for table in tables}

    @cached_property
    def _all_views(self) -> dict[str, str]:
        """The statements that make the views, by name: those of one checkpoint's rows, then the files."""
        of_checkpoints = {
            table.name: f'CREATE OR REPLACE VIEW "{table.name}" AS SELECT * FROM "{table.stored_as}" '
            f"WHERE checkpoint = (SELECT checkpoint FROM {SHOWN.name} WHERE asset = {quote(table.name)})"
            for table in self.graph.tables.values()
            if table.stored_as != table.name
        }
        return of_checkpoints | {path.stem: path.read_text(encoding="utf-8") for path in self.views}

    def prepare(self, *, missing_objects: bool = False) -> None:
        """Bring the lake's tables, views and data dictionary to what is declared.

        Cheap when nothing has changed. New columns are added, dropped ones removed, and values converted
        where a column's type changed; what cannot be converted is NULL. An asset whose columns changed is
        stale, so the next run computes its values anew. With `missing_objects` object storage may have lost
        all that the lake names.

        Raises:
            HomeFormatError: the home has another format; nothing was written.
            BelongingError: lake and object storage do not belong together; nothing was written.
        """
        text = json.dumps([repr(self._all_tables), self._all_views])
        schema_hash = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        state = self._stored_state()
        if state is None or state[:2] != (FORMAT, schema_hash) or not state[2]:
            self.lake.write(lambda connection: self._declare(connection, schema_hash))
        (lake_id,) = self.lake.rows(f"SELECT lake_id FROM {STATE.name}")[0]
        is_known = state is not None and state[2] is not None and not missing_objects
        names_objects = self._names_objects if is_known else lambda: False
        settle_objects(self.objects, lake_id, names_objects=names_objects)
        settle_home(self.settings, self.lake, [table.stored_as for table in self.tables])

    def _declare(self, connection: duckdb.DuckDBPyConnection, schema_hash: str) -> None:
        check_format(connection, self.settings.home)
        existing = _existing_columns(connection)
        if STATE.name not in existing:
            check_unused(self.objects)
        for name, columns in self._all_tables.items():
            _create_or_alter(connection, name, columns, existing.get(name))
        tables = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'"
        ).fetchall()
        for name in {name for (name,) in tables} & self._all_views.keys():
            connection.execute(f'DROP TABLE "{name}"')  # it has become a view
        for view in self._all_views.values():
            connection.execute(view)
        connection.execute(f"DELETE FROM {DICTIONARY.name}")
        insert_rows(connection, DICTIONARY.name, arrow_table(DICTIONARY.columns, self._dictionary()))
        ids = connection.execute(f"SELECT lake_id FROM {STATE.name} WHERE lake_id IS NOT NULL").fetchall()
        connection.execute(f"DELETE FROM {STATE.name}")
        lake_id = ids[0][0] if ids else uuid.uuid4().hex
        state = [{"format": FORMAT, "schema_hash": schema_hash, "lake_id": lake_id}]
        insert_rows(connection, STATE.name, arrow_table(STATE.columns, state))

    @property
    def object_columns(self) -> Sequence[tuple[str, str]]:
        """The columns that hold keys of objects, each with the name of its table before it."""
        tables = self.graph.tables.values()
        return [(table.stored_as, c.name) for table in tables for c in table.columns if c.type is OBJECT]

    def _names_objects(self) -> bool:
        """Whether the lake names any object."""
        queries = [f'(SELECT 1 FROM "{t}" WHERE "{c}" IS NOT NULL LIMIT 1)' for t, c in self.object_columns]
        return bool(
            self.lake.rows(" UNION ALL ".join([f"(SELECT 1 FROM {CHECKPOINTS.name} LIMIT 1)", *queries]))
        )

    def _stored_state(self) -> tuple[int, str, str | None] | None:
        """Format and hash of the declarations that the lake was last prepared with, and its id."""
        try:
            rows = self.lake.rows(f"SELECT format, schema_hash, lake_id FROM {STATE.name}")
        except (duckdb.CatalogException, duckdb.BinderException):  # no table, or one without a format
            return None
        return rows[0] if rows else None

    def _dictionary(self) -> list[dict[str, object]]:
        return [
            {
                "table_name": name,
                "column_name": column.name,
                "type": column.sql_type,
                "unit": column.unit,
                "low": column.low,
                "high": column.high,
                "doc": column.doc,
            }
            for name, columns in self._all_tables.items()
            for column in columns
        ]

    def items(
        self, kind: ItemKind, keys: Sequence[str] | None = None, *, snapshot: int | None = None
    ) -> dict[str, Item]:
        """Items of the catalog by key, in its order: all of a kind, or those of `keys`, now or as of a snapshot."""
        then = "" if snapshot is None else f" AT (VERSION => {snapshot})"
        named = only(keys)
        query = f'SELECT * FROM "{kind.plural}"{then}{named}'
        with self.lake.get_connection() as connection:
            if keys is not None and not named:
                connection.register("wanted_items", pa.table({"item": pa.array(keys, pa.string())}))
                query += " SEMI JOIN wanted_items USING (item)"
            cursor = connection.execute(f"{query} ORDER BY item")
            names = [column[0] for column in cursor.description]
            records = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        size = kind.size.column if kind.size else None
        return {
            r["item"]: Item(r["item"], r["content_hash"], r["path"], (r[size] or 0.0) if size else 0.0, r)
            for r in records
        }


def with_checkpoint(recipe: Recipe, checkpoint: Checkpoint) -> Recipe:
    """The recipe of an asset that computes with a trained model."""
    return recipe.with_model(checkpoint.asset, checkpoint.checkpoint, checkpoint.licences)


def _existing_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    query = (
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = 'lake' AND NOT internal"
    )
    for table, column, data_type in connection.execute(query).fetchall():
        found.setdefault(table, {})[column] = data_type
    return found


def _create_or_alter(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: Sequence[Column],
    existing: Mapping[str, str] | None,
) -> None:
    if existing is None:
        declared = ", ".join(f'"{column.name}" {column.sql_type}' for column in columns)
        connection.execute(f'CREATE TABLE "{name}" ({declared})')
        return
    wanted = {column.name: column.sql_type for column in columns}
    for column in existing.keys() - wanted.keys():
        connection.execute(f'ALTER TABLE "{name}" DROP COLUMN "{column}"')
    for column, data_type in wanted.items():
        if column not in existing:
            connection.execute(f'ALTER TABLE "{name}" ADD COLUMN "{column}" {data_type}')
        elif existing[column] != data_type:
            # DuckLake itself changes types only to wider ones.
            connection.execute(f'ALTER TABLE "{name}" ADD COLUMN "new {column}" {data_type}')
            connection.execute(f'UPDATE "{name}" SET "new {column}" = TRY_CAST("{column}" AS {data_type})')
            connection.execute(f'ALTER TABLE "{name}" DROP COLUMN "{column}"')
            connection.execute(f'ALTER TABLE "{name}" RENAME COLUMN "new {column}" TO "{column}"')
