"""Computing collection assets: how their tables are replaced."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import duckdb

from audio_assets.engine.declare.asset import EVERY_ITEM
from audio_assets.engine.declare.collection_asset import Collection, CollectionAsset
from audio_assets.engine.declare.outcomes import ItemResult, Outcome, ended
from audio_assets.engine.declare.tables import OBJECT, Item, Row
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.blobs import store_blobs
from audio_assets.engine.run.isolated_whole import EndedBadly, collect
from audio_assets.engine.run.progress import observer
from audio_assets.engine.state.ledger import LEDGER, Computed, of_checkpoints, replace_entry
from audio_assets.engine.state.rows import arrow_table, insert_rows
from audio_assets.engine.workers.session import WorkerError
from audio_assets.resources.lake import Lake
from audio_assets.resources.objects import ObjectError


def run_collection(
    platform: Platform, asset: CollectionAsset, fingerprint: str, *, snapshot: int, run_id: str
) -> ItemResult:
    """Compute the asset on a worker and replace its rows and its ledger entry, all in one transaction.

    `fingerprint` is that of the plan as of lake `snapshot`, from which everything is read. A function that raises,
    or whose worker dies, leaves the rows there were, and an entry that says why.

    Raises:
        WorkerError: the asset cannot be imported.
    """
    started = time.perf_counter()
    checkpoints = platform.checkpoints_upstream(asset.name)
    tables: dict[str, list[Row]] = {}
    try:
        returned = collect(
            platform,
            asset,
            _collection(platform, asset, snapshot, checkpoints),
            platform.recipes[asset.name].parameters,
        )
        for table in asset.tables:
            prefix = f"{table.name}/{fingerprint}"
            tables[table.name] = [
                {"fingerprint": fingerprint, **store_blobs(platform.objects, prefix, n, row)}
                for n, row in enumerate(table.check_rows(returned[table.name]))
            ]
        result = ItemResult(asset.name, EVERY_ITEM, Outcome.OK, [])
    except EndedBadly as error:
        result = error.result
    except (WorkerError, ObjectError):
        raise
    except Exception as error:
        result = ended(asset.name, EVERY_ITEM, error)
    if result.outcome is not Outcome.OK:
        tables = {table.name: [] for table in asset.tables} if result.outcome.is_good else {}
    result = replace(result, seconds=time.perf_counter() - started)
    sources = {name: checkpoints.get(name, "") for name in asset.upstream}
    upstream = upstream_digests(platform.lake, sources, snapshot)
    recipe, code = platform.recipes[asset.name], platform.code[asset.name]
    _write(platform, asset, Computed(result, recipe, code, fingerprint, upstream), tables, run_id=run_id)
    observer().finished(result)
    return result


def _collection(
    platform: Platform, asset: CollectionAsset, snapshot: int, checkpoints: Mapping[str, str]
) -> Collection:
    items = reading(platform.items(asset.item, snapshot=snapshot), asset.name, asset.reads)
    return Collection(asset.name, items, asset.upstream, snapshot, platform.lake, checkpoints)


def _write(
    platform: Platform,
    asset: CollectionAsset,
    computed: Computed,
    tables: Mapping[str, list[Row]],
    *,
    run_id: str,
) -> None:
    arrays = {
        table.name: arrow_table(table.all_columns, tables[table.name])
        for table in asset.tables
        if table.name in tables
    }

    named = {
        row[column.name]
        for table in asset.tables
        for row in tables.get(table.name, ())
        for column in table.columns
        if column.type is OBJECT and row[column.name] is not None
    }

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        if gone := platform.objects.missing(named):
            raise ObjectError(f"Maintenance has deleted {min(gone)} meanwhile; run {asset.name} again.")
        for table, rows in arrays.items():
            connection.execute(f'DELETE FROM "{table}"')
            if rows.num_rows:
                insert_rows(connection, table, rows)
        replace_entry(connection, computed, run_id)

    platform.lake.write(change)


def upstream_digests(lake: Lake, sources: Mapping[str, str], snapshot: int) -> dict[str, str]:
    """One hash of all good values of each upstream asset, for the ledger; `sources` has their checkpoints."""
    rows = lake.rows(
        "SELECT asset, left(sha256(string_agg(item || '=' || fingerprint, ',' ORDER BY item)), 32) "
        f"FROM {LEDGER.name} AT (VERSION => {snapshot}) WHERE outcome IN ('ok', 'not_applicable') "
        f"AND {of_checkpoints(sources)} GROUP BY asset"
    )
    return dict(rows)


class _Read(dict[str, object]):
    """The columns of an item that an asset reads; the others are not to be had."""

    def __init__(self, asset: str, values: Mapping[str, object]) -> None:
        super().__init__(values)
        self._asset = asset

    def __missing__(self, name: str) -> object:
        raise KeyError(
            f"{self._asset} reads the column {name} of the catalog, which it does not declare: "
            f"reads=({', '.join(map(repr, [*self, name]))})"
        )

    def get(self, name: str, default: object = None) -> object:
        """As indexing: a column that is not declared is an error here too."""
        return self[name]


def reading(items: Mapping[str, Item], asset: str, reads: Sequence[str]) -> dict[str, Item]:
    """The items with no other columns of the catalog than those declared, so that none is read unnoticed."""
    return {
        key: Item(
            key,
            item.content_hash,
            item.path,
            item.size,
            _Read(asset, {name: item.record.get(name) for name in reads}),
        )
        for key, item in items.items()
    }
