"""`Platform`: settings, item assets, lake and objects together; what runs, status and queries start from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb

from audio_assets.engine.code.state import CodeState
from audio_assets.engine.declare.collection_asset import CollectionAsset
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.declare.item_asset import Recipe
from audio_assets.engine.declare.tables import FLOAT, TEXT, Column, Item, ItemKind
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.state.checkpoints import TRAINING_TABLES, Checkpoint, latest_checkpoint
from audio_assets.engine.state.ledger import FEW_ITEMS, LEDGER, LEDGER_COLUMNS, arrow_table, read_entries
from audio_assets.engine.state.plan import DEFAULT, Plan, RunOptions, State, make_plan
from audio_assets.resources.lake import Lake, quoted
from audio_assets.resources.objects import Objects
from audio_assets.settings import Settings

DICTIONARY = "data_dictionary"
DICTIONARY_COLUMNS = (
    Column("table_name", TEXT, doc="Table"),
    Column("column_name", TEXT, doc="Column"),
    Column("type", TEXT, doc="Type in the lake"),
    Column("unit", TEXT, doc="Unit of the values"),
    Column("low", FLOAT, doc="Lowest value allowed"),
    Column("high", FLOAT, doc="Highest value allowed"),
    Column("doc", TEXT, doc="What it holds"),
)
STATE = "platform_state"
STATE_COLUMNS = (Column("schema_hash", TEXT, doc="Hash of all table and view declarations"),)


@dataclass(frozen=True)
class Platform:
    """Everything a run needs. `tables` are further tables (catalogs), `views` SQL files."""

    settings: Settings
    graph: AssetGraph
    lake: Lake
    objects: Objects
    tables: Mapping[str, Sequence[Column]]
    views: Sequence[Path] = ()
    trainings: tuple[TrainingAsset, ...] = ()
    collections: tuple[CollectionAsset, ...] = ()

    @cached_property
    def recipes(self) -> Mapping[str, Recipe]:
        """How each asset is computed under these settings."""
        return self.graph.recipes(self.settings, [asset.name for asset in self.collections])

    def models(self, assets: Iterable[str]) -> dict[str, Checkpoint]:
        """The newest checkpoint of each training that `assets` need."""
        names = {model for name in assets if (model := self.graph.by_name[name].model)}
        found = {name: latest_checkpoint(self.lake, name) for name in sorted(names)}
        return {name: checkpoint for name, checkpoint in found.items() if checkpoint is not None}

    def recipes_with(self, models: Mapping[str, Checkpoint]) -> dict[str, Recipe]:
        """The recipes, those of assets that need a trained model with its checkpoint, or left out."""
        recipes = dict(self.recipes)
        for asset in self.graph.assets:
            model = models.get(asset.model or "")
            if model is not None:
                recipes[asset.name] = recipes[asset.name].made_by(
                    model.asset, model.checkpoint, model.licences
                )
            elif asset.model:
                del recipes[asset.name]
        return recipes

    @cached_property
    def code(self) -> Mapping[str, CodeState]:
        """The code behind each asset and all its upstream assets, as it was when first asked for."""
        return self.graph.code(self.settings)

    @cached_property
    def _all_tables(self) -> dict[str, Sequence[Column]]:
        return {
            STATE: STATE_COLUMNS,
            DICTIONARY: DICTIONARY_COLUMNS,
            LEDGER: LEDGER_COLUMNS,
            **TRAINING_TABLES,
            **{table.name: table.all_columns for t in self.trainings for table in t.evaluation},
            **{table.name: table.all_columns for c in self.collections for table in c.tables},
            **self.tables,
            **{asset.name: asset.table.all_columns for asset in self.graph.assets},
        }

    def prepare(self) -> None:
        """Bring the lake's tables, views and data dictionary to what is declared.

        Cheap when nothing has changed. New columns are added, dropped ones removed, and values converted
        where a column's type changed; what cannot be converted is NULL. An asset whose columns changed is
        stale, so the next run computes its values anew.
        """
        views = [path.read_text(encoding="utf-8") for path in self.views]
        text = json.dumps([repr(self._all_tables), views])
        schema_hash = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        if self._stored_schema_hash() == schema_hash:
            return

        def change(connection: duckdb.DuckDBPyConnection) -> None:
            existing = _existing_columns(connection)
            for name, columns in self._all_tables.items():
                _create_or_alter(connection, name, columns, existing.get(name))
            tables = connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'"
            ).fetchall()
            for name in {name for (name,) in tables} & {path.stem for path in self.views}:
                connection.execute(f'DROP TABLE "{name}"')  # it has become a view
            for view in views:
                connection.execute(view)
            connection.register("dictionary", arrow_table(DICTIONARY_COLUMNS, self._dictionary()))
            connection.execute(f"DELETE FROM {DICTIONARY}")
            connection.execute(f"INSERT INTO {DICTIONARY} SELECT * FROM dictionary")
            connection.execute(f"DELETE FROM {STATE}")
            connection.execute(f"INSERT INTO {STATE} VALUES ('{schema_hash}')")

        self.lake.write(change)

    def _stored_schema_hash(self) -> str | None:
        try:
            rows = self.lake.rows(f"SELECT schema_hash FROM {STATE}")
        except duckdb.CatalogException:
            return None
        return rows[0][0] if rows else None

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

    def items(self, kind: ItemKind, keys: Sequence[str] | None = None) -> dict[str, Item]:
        """Items of the catalog by key, in its order: all of a kind, or those of `keys`."""
        query = f'SELECT * FROM "{kind.plural}"'
        if keys is not None and len(keys) <= FEW_ITEMS:
            query += f" WHERE item IN (SELECT unnest({quoted(keys)}))"
        with self.lake.get_connection() as connection:
            cursor = connection.execute(f"{query} ORDER BY item")
            names = [column[0] for column in cursor.description]
            records = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        wanted = None if keys is None else set(keys)
        return {
            r["item"]: Item(r["item"], r["content_hash"], r["path"], r["duration_s"] or 0.0, r)
            for r in records
            if wanted is None or r["item"] in wanted
        }

    def plan(
        self,
        kind: ItemKind,
        selected: Iterable[str],
        items: Mapping[str, Item],
        options: RunOptions = DEFAULT,
    ) -> Plan:
        """Plan the `selected` assets of one kind for `items`, with one question to the ledger."""
        names = [name for name in selected if self.graph.by_name[name].item is kind]
        needed = {u for name in names for u in self.graph.by_name[name].upstream} | set(names)
        entries = read_entries(self.lake, needed, list(items))
        return make_plan(
            self.graph,
            names,
            items,
            entries=entries,
            recipes=self.recipes_with(self.models(names)),
            code=self.code,
            options=options,
        )

    def states(self) -> dict[str, dict[str, State]]:
        """Where every item stands for every asset."""
        found: dict[str, dict[str, State]] = {}
        for kind in self.graph.kinds:
            names = [asset.name for asset in self.graph.assets if asset.item is kind]
            plan = self.plan(kind, names, self.items(kind))
            found |= {name: asset_plan.states for name, asset_plan in plan.items()}
        return found


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
