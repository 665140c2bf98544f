"""What Dagster is told of the values of a step: materializations, each with the versions it was made from.

What comes from elsewhere is as of the step's start. What the step itself computed is as of when that was
logged, so upstream is logged before what is made from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.tables import Item
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.items import BundleRun
from audio_assets.engine.state.ledger import LEDGER, Computed
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
from audio_assets.orchestration.run_items import tagged_items
from audio_assets.orchestration.steps import is_alive
from audio_assets.resources.lake import quoted

BACKFILL_TAG = "dagster/backfill"
REPORTED_LATER = 1000
RUNS_FOLLOWED = 20
UNREPORTED = "audio_assets/unreported/{}"
"""Where Dagster's instance keeps the runs whose step over these assets did not come to its end."""
FROM_LEDGER = {"reported": "from the ledger"}


class Reporter:
    """Logs the materializations of one step. To be made before the step reads the lake.

    A run that is killed between storing a value and reporting it leaves Dagster behind the ledger. The next step
    of the same assets makes up for what a step that did not come to its end has stored, and for what it finds
    in its own partitions, for at most `REPORTED_LATER` values of an asset. It also reports anew what Dagster has
    an older event of than of its upstream, although it is up to date.
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
        self._followed: set[str] = set()

    def items_asked(self) -> list[str]:
        """The keys of the items that the run is over."""
        tagged = tagged_items(self._platform, self._context.run.tags)
        if tagged is not None:
            return tagged
        return self._partitions.items_in(self._platform, self._context.partition_keys)

    def start(self, run: BundleRun) -> None:
        """Report what is up to date and Dagster does not know, or knows to be older than its upstream."""
        if self._partitions.shards is not None:
            return
        asked = sorted({*self.items_asked(), *self._stored_unreported()})
        for name, asset in self._assets.items():
            stored = run.up_to_date(name, asked)
            late = self._late(name, {key: value.fingerprint for key, value in stored.items()})
            for key, item in self._platform.items(asset.item, late).items():
                self._add(name, key, stored[key].fingerprint, stored[key].upstream, items=[item])
        self._flush()

    def chunk(self, results: Iterable[Computed]) -> None:
        """Report a stored chunk: each good item at once; shards wait until all is done."""
        for one in sorted(results, key=lambda one: list(self._assets).index(one.result.asset)):
            name, item = one.result.asset, one.entry
            assert item is not None  # what is computed per item has one
            if self._partitions.shards is not None:
                self._touched[name].add(self._partitions.of(item))
            elif one.result.outcome.is_good:
                metadata = item_metadata(one.result)
                self._add(name, item.key, one.fingerprint, one.upstream, items=[item], metadata=metadata)
        self._flush()

    def finish(self, run: BundleRun) -> None:
        """Report the shards of the run if all values in them are good and up to date; to be called in the end.

        One shard is looked at after the other, so that no more than the items of one are in memory.
        """
        if self._partitions.shards is None:
            done = {*self._followed, self._context.run_id}
            self._set_unreported([run for run in self._unreported() if run not in done])
            return
        versions: dict[str, dict[str, str]] = {}
        for shard in self._shards_asked():
            for name, version in shard_versions(run, self._assets, self._members(shard)).items():
                versions.setdefault(name, {})[shard] = version
        for name, asset in self._assets.items():
            whole = versions.get(name, {})
            touched = self._touched[name] & whole.keys()
            for shard in sorted({*touched, *self._late(name, whole, besides=touched)}):
                sources = {source: versions.get(source, {}).get(shard, "") for source in asset.upstream}
                self._add(name, shard, whole[shard], sources, items=self._members(shard))
        self._flush()

    def _stored_unreported(self) -> list[str]:
        """The items that runs have stored values of whose step did not come to its end; notes that this one began."""
        noted = [run for run in self._unreported() if run != self._context.run_id]
        self._set_unreported([*noted[-RUNS_FOLLOWED:], self._context.run_id])
        # A run that goes on reports for itself, and may yet be killed.
        before = [run for run in noted if not is_alive(self._platform.settings, run)]
        self._followed = set(before)
        if not before:
            return []
        rows = self._platform.lake.rows(
            f"SELECT DISTINCT item FROM {LEDGER.name} WHERE run_id IN (SELECT unnest({quoted(before)})) "
            f"AND asset IN (SELECT unnest({quoted(self._assets)})) ORDER BY item"
        )
        return [item for (item,) in rows]

    @property
    def _cursor(self) -> str:
        return UNREPORTED.format(self._context.op_handle.name)

    def _unreported(self) -> list[str]:
        storage = self._context.instance.daemon_cursor_storage
        return list(json.loads(storage.get_cursor_values({self._cursor}).get(self._cursor, "[]")))

    def _set_unreported(self, runs: Iterable[str]) -> None:
        self._context.instance.daemon_cursor_storage.set_cursor_values({self._cursor: json.dumps(list(runs))})

    def _shards_asked(self) -> list[str]:
        tagged = tagged_items(self._platform, self._context.run.tags)
        if tagged is None:
            return sorted(self._context.partition_keys)
        items = self._platform.items(self._partitions.kind, tagged).values()
        return sorted({self._partitions.of(item) for item in items})

    def _members(self, shard: str) -> list[Item]:
        keys = self._partitions.items_in(self._platform, [shard])
        return list(self._platform.items(self._partitions.kind, keys).values())

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
    run: BundleRun, assets: Mapping[str, ItemAsset], members: Sequence[Item]
) -> dict[str, str]:
    """Data versions of a shard, which `members` are in: of `assets` that are up to date, and of their upstream."""
    keys = [item.key for item in members]
    versions: dict[str, str] = {}
    for name in {source for asset in assets.values() for source in asset.upstream} | assets.keys():
        good = run.stored_now(name, keys) if name in assets else run.good_fingerprints(name, keys)
        if keys and all(key in good for key in keys):
            versions[name] = combined(good[key] for key in keys)
    return versions
