"""What Dagster is told of the values of a step: materializations, each with the versions it was made from.

What comes from elsewhere is as of the step's start. What the step itself computed is as of when that was
logged, so upstream is logged before what is made from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.tables import Item
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.items import BundleRun
from audio_assets.engine.state.ledger import Computed
from audio_assets.orchestration.catalog import combined, keys_read, versions_read
from audio_assets.orchestration.dagster_private import (
    DATA_VERSION,
    latest_ids,
    latest_versions,
    log_materializations,
)
from audio_assets.orchestration.events import item_metadata
from audio_assets.orchestration.inputs import Inputs
from audio_assets.orchestration.partitions import Partitions

BACKFILL_TAG = "dagster/backfill"
REPORTED_LATER = 1000
FROM_LEDGER = {"reported": "from the ledger"}


class Reporter:
    """Logs the materializations of one step. To be made before the step reads the lake.

    A run that is killed between storing a value and reporting it leaves Dagster behind the ledger; the
    next step over the same partition makes up for it, for at most `REPORTED_LATER` values of an asset.
    It also reports anew what Dagster has an older event of than of its upstream, although it is up to date.
    Dagster counts as failed what a backfill's runs do not materialize, so a run of a backfill also reports
    values that were up to date.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        platform: Platform,
        assets: Sequence[ItemAsset],
        partitions: Partitions,
    ) -> None:
        self._context = context
        self._platform = platform
        self._assets = {asset.name: asset for asset in assets}
        self._partitions = partitions
        self._is_backfill = BACKFILL_TAG in context.run.tags
        self._touched: dict[str, set[str]] = {name: set() for name in self._assets}
        self._waiting: list[dg.AssetMaterialization] = []
        self._unlogged: set[str] = set()
        self._models = platform.adopted(self._assets)
        self._inputs = Inputs(context, platform)
        self._logged: int | None = None

    def start(self, run: BundleRun, items: Mapping[str, Item]) -> None:
        """Report what is up to date and Dagster does not know, or knows to be older than its upstream."""
        if self._partitions.shards is not None:
            return
        for name in self._assets:
            stored = run.up_to_date(name, list(items))
            versions = {key: value.fingerprint for key, value in stored.items()}
            for key in self._late(name, versions):
                self._add(name, key, versions[key], stored[key].upstream, items=[items[key]])
        self._flush()

    def chunk(self, run: BundleRun, results: Iterable[Computed], items: Mapping[str, Item]) -> None:
        """Report a stored chunk: each good item at once; shards wait until all is done."""
        by_asset: dict[str, list[Computed]] = {name: [] for name in self._assets}
        for one in results:
            by_asset[one.result.asset].append(one)
        for name, group in by_asset.items():
            if self._partitions.shards is not None:
                self._touched[name] |= {self._partitions.of(items[one.result.item]) for one in group}
                continue
            for one in group:
                key = one.result.item
                if one.result.outcome.is_good:
                    metadata = item_metadata(one.result)
                    self._add(name, key, one.fingerprint, one.upstream, items=[items[key]], metadata=metadata)
        self._flush()

    def finish(self, run: BundleRun, items: Mapping[str, Item]) -> None:
        """Report the shards that `items` are all of, if all values in them are good and up to date."""
        if self._partitions.shards is None:
            return
        members = self._partitions.members(items.values())
        versions = shard_versions(run, self._assets, items, members)
        for name in self._assets:
            touched = self._touched[name] & versions[name].keys()
            for shard in sorted({*touched, *self._late(name, versions[name], besides=touched)}):
                sources = {source: versions[source].get(shard, "") for source in self._assets[name].upstream}
                self._add(name, shard, versions[name][shard], sources, items=members[shard])
        self._flush()

    def _late(self, name: str, stored: Mapping[str, str], besides: Iterable[str] = ()) -> list[str]:
        """The partitions of `stored` versions that Dagster has no event of, or one older than of upstream."""
        keys = sorted(stored.keys() - set(besides))
        if self._is_backfill or not keys:
            return keys
        self._flush()  # what was made of it in this step is newer, too
        instance, asset = self._context.instance, self._assets[name]
        known = latest_versions(instance, dg.AssetKey(name), keys)
        numbers = latest_ids(instance, dg.AssetKey(name), keys)
        observed = dg.DagsterEventType.ASSET_OBSERVATION
        upstream = [latest_ids(instance, dg.AssetKey(source), keys) for source in asset.upstream]
        upstream += [
            latest_ids(instance, read, keys, observed) for read in keys_read(asset.item, asset.reads)
        ]
        late = [
            key
            for key in keys
            if known.get(key) != stored[key]
            or any(source.get(key, 0) > numbers.get(key, 0) for source in upstream)
        ]
        return late[:REPORTED_LATER]

    def _add(
        self,
        name: str,
        partition: str,
        version: str,
        sources: Mapping[str, str],
        *,
        items: Sequence[Item],
        metadata: Mapping[str, Any] = FROM_LEDGER,
    ) -> None:
        if self._unlogged & sources.keys():
            self._flush()
        asset = self._assets[name]
        within = {dg.AssetKey(source): v for source, v in sources.items() if source in self._assets}
        before = {dg.AssetKey(source): v for source, v in sources.items() if source not in self._assets}
        if asset.model:
            before[dg.AssetKey(asset.model)] = self._models[asset.model].checkpoint.checkpoint
        before |= versions_read(items, asset.item, asset.reads)
        tags = {
            DATA_VERSION: version,
            "dagster/code_version": asset.code_version,
            "dagster/data_version_is_user_provided": "true",
            **self._inputs.tags(before),
            **self._inputs.tags(within, as_of=self._logged),
        }
        self._waiting.append(dg.AssetMaterialization(name, partition=partition, metadata=metadata, tags=tags))
        self._unlogged.add(name)

    def _flush(self) -> None:
        """Log what waits, together."""
        if self._waiting:
            log_materializations(self._context, self._waiting)
            self._waiting, self._unlogged = [], set()
            self._logged = self._inputs.newest_event()


def shard_versions(
    run: BundleRun,
    assets: Mapping[str, ItemAsset],
    items: Mapping[str, Item],
    members: Mapping[str, Sequence[Item]],
) -> dict[str, dict[str, str]]:
    """Data versions of the shards, by asset and shard: of `assets`, if up to date, and of their upstream."""
    versions: dict[str, dict[str, str]] = {}
    for name in {source for asset in assets.values() for source in asset.upstream} | assets.keys():
        if name in assets:
            good = run.stored_now(name, list(items))
        else:
            good = run.good_fingerprints(name, list(items))
        versions[name] = {
            shard: combined(good[item.key] for item in inside)
            for shard, inside in members.items()
            if all(item.key in good for item in inside)
        }
    return versions
