"""The ledger: what was computed for each item, from what, and how it ended.

One row per asset and item, in the lake table ``ledger``, written in the same transaction as the item's
rows, so that the two can never disagree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from audio_assets.engine.code.state import CodeState
from audio_assets.engine.declare.item_asset import ItemAsset, Recipe
from audio_assets.engine.declare.outcomes import ItemResult, Outcome
from audio_assets.engine.declare.tables import FLOAT, INTEGER, TEXT, TIMESTAMP, Column, Item
from audio_assets.resources.lake import Lake, quoted

LEDGER = "ledger"
DEATHS_TO_QUARANTINE = 3

LEDGER_COLUMNS = (
    Column("asset", TEXT, doc="Asset, which is also the table its rows are in"),
    Column("item", TEXT, doc="Key of the item"),
    Column("outcome", TEXT, doc="ok, not_applicable, failed or quarantined"),
    Column("reason", TEXT, doc="Why there is no value, in one sentence"),
    Column("detail", TEXT, doc="Traceback, or the end of a dead worker's standard error"),
    Column("fingerprint", TEXT, doc="Hash of content, code version, parameters, backend, upstream"),
    Column("upstream_json", TEXT, doc="Fingerprints of the upstream values, by asset"),
    Column("content_hash", TEXT, doc="Hash of the item's bytes"),
    Column("code_version", TEXT, doc="The version the asset declares"),
    Column("code_hash", TEXT, doc="Hash of the code that ran and of the libraries it used"),
    Column("libraries_json", TEXT, doc="Versions of those libraries"),
    Column("parameters_json", TEXT, doc="Parameters of the computation"),
    Column("backend", TEXT, doc="Name of the backend that computed it"),
    Column("revision", TEXT, doc="Pinned revision of the backend's weights or method"),
    Column("licence", TEXT, doc="Licence of the backend's weights"),
    Column("deaths", INTEGER, doc="Workers that died of it in a row"),
    Column("seconds", FLOAT, doc="Computation time", unit="s"),
    Column("run_id", TEXT, doc="Dagster run"),
    Column("computed_at", TIMESTAMP, doc="When it was written"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """The part of a ledger row that planning needs."""

    outcome: Outcome
    fingerprint: str
    code_hash: str
    deaths: int
    reason: str | None

    @property
    def is_retried(self) -> bool:
        """Whether a run tries it again unasked: its worker died, which may have been chance."""
        return self.outcome is Outcome.FAILED and 0 < self.deaths < DEATHS_TO_QUARANTINE


Entries = dict[str, dict[str, Entry]]
"""Entries by asset, then item."""

FEW_ITEMS = 2000


def read_entries(
    lake: Lake, assets: Iterable[str], items: Sequence[str] | None = None, snapshot: int | None = None
) -> Entries:
    """The ledger of `assets`, for `items` or for all, now or as of a snapshot, in one question."""
    names = list(assets)
    entries: Entries = {name: {} for name in names}
    query = (
        "SELECT asset, item, outcome, fingerprint, code_hash, deaths, reason FROM ledger "
        + (f"AT (VERSION => {snapshot}) " if snapshot is not None else "")
        + f"WHERE asset IN (SELECT unnest({quoted(names)}))"
    )
    if items is not None and len(items) <= FEW_ITEMS:
        query += f" AND item IN (SELECT unnest({quoted(items)}))"
    outcomes = {outcome.value: outcome for outcome in Outcome}
    for asset, item, outcome, *rest in lake.rows(query):
        entries[asset][item] = Entry(outcomes[outcome], *rest)
    return entries


@dataclass(frozen=True)
class Writing:
    """All that a chunk of results is written with."""

    assets: Mapping[str, ItemAsset]
    recipes: Mapping[str, Recipe]
    code: Mapping[str, CodeState]
    items: Mapping[str, Item]
    fingerprints: Mapping[str, Mapping[str, str]]
    upstream: Mapping[tuple[str, str], str]
    deaths: Mapping[tuple[str, str], int]
    run_id: str


def with_quarantine(result: ItemResult, deaths_before: int) -> tuple[ItemResult, int]:
    """`result` and the deaths in a row it makes; the last allowed one quarantines the item."""
    if not result.died:
        return result, 0
    deaths = deaths_before + 1
    if deaths < DEATHS_TO_QUARANTINE:
        return result, deaths
    reason = f"{result.reason} ({deaths} times; `audio-assets release` lets it be tried again)"
    return replace(result, outcome=Outcome.QUARANTINED, reason=reason), deaths


def write_results(lake: Lake, results: Sequence[ItemResult], writing: Writing) -> None:
    """Replace the rows and ledger entries of `results`, all in one transaction.

    Of two runs that compute the same item at once, the later writer's rows stand.
    """
    by_asset: dict[str, list[ItemResult]] = {}
    for result in results:
        by_asset.setdefault(result.asset, []).append(result)
    ledger = ledger_rows(results, writing)
    tables = {
        name: _data_rows(writing.assets[name], group, writing.fingerprints[name])
        for name, group in by_asset.items()
    }

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        existing = _existing(connection, by_asset)
        for name, group in by_asset.items():
            old = [result.item for result in group if (name, result.item) in existing]
            if old:
                for table, condition in ((name, ""), (LEDGER, f"asset = '{name}' AND ")):
                    connection.execute(
                        f'DELETE FROM "{table}" WHERE {condition} item IN (SELECT unnest({quoted(old)}))'
                    )
            if tables[name].num_rows:
                insert_rows(connection, name, tables[name])
        insert_rows(connection, LEDGER, ledger)

    lake.write(change)


def entry_of_all(
    result: ItemResult,
    recipe: Recipe,
    code: CodeState,
    fingerprint: str,
    *,
    upstream: Mapping[str, str],
    run_id: str,
) -> pa.Table:
    """The ledger entry of what is computed from all items together."""
    name, item = result.asset, result.item
    writing = Writing(
        assets={},
        recipes={name: recipe},
        code={name: code},
        items={item: Item(item, "", "")},
        fingerprints={name: {item: fingerprint}},
        upstream={(name, item): json.dumps(dict(upstream), sort_keys=True)},
        deaths={},
        run_id=run_id,
    )
    return ledger_rows([result], writing)


def replace_entry(connection: duckdb.DuckDBPyConnection, asset: str, entry: pa.Table) -> None:
    """Put `entry` in the place of all entries of `asset`."""
    connection.execute(f"DELETE FROM {LEDGER} WHERE asset = '{asset}'")
    insert_rows(connection, LEDGER, entry)


def forget(lake: Lake, assets: Sequence[str], items: Sequence[str] | None, outcome: Outcome) -> int:
    """Remove ledger entries that are `failed` or `quarantined`, so that the next run computes them.

    Returns their number.
    """
    condition = f"asset IN (SELECT unnest({quoted(assets)})) AND outcome = '{outcome.value}'"
    if items is not None:
        condition += f" AND item IN (SELECT unnest({quoted(items)}))"
    removed = 0

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        nonlocal removed
        count = connection.execute(f"DELETE FROM ledger WHERE {condition}").fetchone()
        removed = int(count[0]) if count else 0

    lake.write(change)
    return removed


def _existing(
    connection: duckdb.DuckDBPyConnection, by_asset: Mapping[str, Sequence[ItemResult]]
) -> set[tuple[str, str]]:
    items = sorted({result.item for group in by_asset.values() for result in group})
    found = connection.execute(
        f"SELECT asset, item FROM ledger WHERE asset IN (SELECT unnest({quoted(by_asset)})) "
        f"AND item IN (SELECT unnest({quoted(items)}))"
    ).fetchall()
    return {(asset, item) for asset, item in found}


def insert_rows(connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Add rows to a table of the lake, by the names of their columns."""
    columns = ", ".join(f'"{name}"' for name in rows.column_names)
    connection.register("new_rows", rows)
    connection.execute(f'INSERT INTO "{table}" ({columns}) SELECT {columns} FROM new_rows')
    connection.unregister("new_rows")


_ARROW = {
    FLOAT.name: pa.float64(),
    INTEGER.name: pa.int64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "object": pa.string(),
    TIMESTAMP.name: pa.timestamp("us", tz="UTC"),
}


def _arrow_type(column: Column) -> pa.DataType:
    if column.length is None:
        return _ARROW[column.type.name]
    return pa.list_(pa.float32() if column.type is FLOAT else _ARROW[column.type.name])


def arrow_table(columns: Sequence[Column], rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """`rows` as an Arrow table of the columns' types."""
    schema = pa.schema([(column.name, _arrow_type(column)) for column in columns])
    return pa.Table.from_pylist(list(rows), schema=schema)


def _data_rows(asset: ItemAsset, results: Iterable[ItemResult], fingerprints: Mapping[str, str]) -> pa.Table:
    rows = [
        {"item": result.item, "fingerprint": fingerprints[result.item], **row}
        for result in results
        for row in result.rows
    ]
    return arrow_table(asset.table.all_columns, rows)


def ledger_rows(results: Sequence[ItemResult], writing: Writing) -> pa.Table:
    """The ledger entries of `results`."""
    now = datetime.now(UTC)
    rows = []
    for result in results:
        recipe, code = writing.recipes[result.asset], writing.code[result.asset]
        key = (result.asset, result.item)
        rows.append(
            {
                "asset": result.asset,
                "item": result.item,
                "outcome": result.outcome.value,
                "reason": result.reason,
                "detail": result.detail,
                "fingerprint": writing.fingerprints[result.asset][result.item],
                "upstream_json": writing.upstream.get(key, "{}"),
                "content_hash": writing.items[result.item].content_hash,
                "code_version": recipe.code_version,
                "code_hash": code.digest,
                "libraries_json": code.libraries_json,
                "parameters_json": recipe.parameters_json,
                "backend": recipe.backend,
                "revision": recipe.revision,
                "licence": recipe.licence,
                "deaths": writing.deaths.get(key, 0),
                "seconds": result.seconds,
                "run_id": writing.run_id,
                "computed_at": now,
            }
        )
    return arrow_table(LEDGER_COLUMNS, rows)
