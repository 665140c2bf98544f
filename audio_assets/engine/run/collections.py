"""Computing collection assets: when one is stale, and how its tables are replaced."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from audio_assets.engine.declare.collection_asset import EVERY_ITEM, Collection, CollectionAsset
from audio_assets.engine.declare.outcomes import ItemResult, Outcome, ended
from audio_assets.engine.declare.tables import Row
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.progress import observer
from audio_assets.engine.state.ledger import (
    Entry,
    arrow_table,
    entry_of_all,
    insert_rows,
    read_entries,
    replace_entry,
)
from audio_assets.engine.state.plan import RunOptions, State, good_fingerprints, is_computed, state_of
from audio_assets.engine.workers.blobs import store_blobs


@dataclass(frozen=True)
class CollectionPlan:
    """Where a collection asset stands; `fingerprint` is None while it waits for upstream values."""

    state: State
    fingerprint: str | None
    upstream: Mapping[str, str]
    entry: Entry | None

    def is_computed(self, options: RunOptions) -> bool:
        """Whether a run with `options` computes it."""
        return self.fingerprint is not None and is_computed(self.state, self.entry, options)


def plan_collection(platform: Platform, asset: CollectionAsset) -> CollectionPlan:
    """Compare the ledger's entry with what the asset would be computed from now."""
    entries = read_entries(platform.lake, [asset.name, *asset.upstream])
    entry = entries[asset.name].get(EVERY_ITEM)
    items = platform.items(asset.item)
    upstream = {}
    for name in asset.upstream:
        found = good_fingerprints(entries[name])
        here = [f"{key}={found[key]}" for key in sorted(found) if key in items or key == EVERY_ITEM]
        if here:
            upstream[name] = _digest(here)
    if len(upstream) < len(asset.upstream) or not items:
        return CollectionPlan(state_of(entry, None, asset.code.digest), None, upstream, entry)
    read = [f"{key}.{name}={items[key].record.get(name)}" for key in sorted(items) for name in asset.reads]
    recipe = asset.recipe(platform.settings.parameters.get(asset.name, {}))
    fingerprint = _digest([recipe.identity, _digest(sorted(items)), _digest(read), *upstream.values()])
    return CollectionPlan(state_of(entry, fingerprint, asset.code.digest), fingerprint, upstream, entry)


def collection_states(platform: Platform) -> dict[str, dict[str, State]]:
    """Where every collection asset stands, as `Platform.states` says it of item assets."""
    return {
        asset.name: {EVERY_ITEM: plan_collection(platform, asset).state} for asset in platform.collections
    }


def run_collection(
    platform: Platform, asset: CollectionAsset, plan: CollectionPlan, *, run_id: str
) -> ItemResult:
    """Compute the asset and replace its rows and its ledger entry, all in one transaction.

    A function that raises leaves the rows there were, and an entry that says why.
    """
    assert plan.fingerprint is not None
    observer().planned({asset.name: 1})
    parameters = {**asset.parameters, **platform.settings.parameters.get(asset.name, {})}
    started = time.perf_counter()
    tables: dict[str, list[Row]] = {}
    try:
        snapshot = platform.lake.snapshot()
        collection = Collection(
            asset.name, platform.items(asset.item), asset.upstream, snapshot, platform.lake
        )
        returned = asset.fn(collection, **parameters)
        for table in asset.tables:
            prefix = f"{table.name}/{plan.fingerprint}"
            tables[table.name] = [
                {"fingerprint": plan.fingerprint, **store_blobs(platform.objects, prefix, n, row)}
                for n, row in enumerate(table.check_rows(returned[table.name]))
            ]
        result = ItemResult(asset.name, EVERY_ITEM, Outcome.OK, [], seconds=time.perf_counter() - started)
    except Exception as error:
        result = ended(asset.name, EVERY_ITEM, error, time.perf_counter() - started)
        tables = {table.name: [] for table in asset.tables} if result.outcome.is_good else {}
    _write(platform, asset, plan, result, tables, run_id=run_id)
    observer().finished(result)
    return result


def _write(
    platform: Platform,
    asset: CollectionAsset,
    plan: CollectionPlan,
    result: ItemResult,
    tables: Mapping[str, list[Row]],
    *,
    run_id: str,
) -> None:
    recipe = asset.recipe(platform.settings.parameters.get(asset.name, {}))
    entry = entry_of_all(
        result, recipe, asset.code, plan.fingerprint or "", upstream=plan.upstream, run_id=run_id
    )
    arrays = {
        table.name: arrow_table(table.all_columns, tables[table.name])
        for table in asset.tables
        if table.name in tables
    }

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        for table, rows in arrays.items():
            connection.execute(f'DELETE FROM "{table}"')
            if rows.num_rows:
                insert_rows(connection, table, rows)
        replace_entry(connection, asset.name, entry)

    platform.lake.write(change)


def _digest(parts: list[str]) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=12).hexdigest()
