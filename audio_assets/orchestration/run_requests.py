"""What a Dagster run over some items is asked for with: its tags and its configuration.

The command line, the schedules and the sensors all build their runs from these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb
from dagster import DagsterInstance

from audio_assets.engine.declare.tables import Item, ItemKind
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.plan import RunOptions
from audio_assets.orchestration.items import ITEMS_TAG
from audio_assets.orchestration.partitions import Partitions


def sync_partitions(instance: DagsterInstance, name: str, keys: Iterable[str]) -> None:
    """Make the dynamic partitions `name` those of the catalog."""
    wanted = dict.fromkeys(keys)
    known = set(instance.get_dynamic_partitions(name))
    added = [key for key in wanted if key not in known]
    if added:
        instance.add_dynamic_partitions(name, added)
    for key in known - set(wanted):
        instance.delete_dynamic_partition(name, key)


def sync_catalog(platform: Platform, instance: DagsterInstance) -> dict[str, int]:
    """Make the partitions of every kind of item those of the catalog; the number of each.

    Runs that `audio-assets run` makes do this for themselves. It is for all who choose a partition before
    there is a run: the UI, and `dagster asset materialize`. Shards need nothing, nor does an absent catalog.
    """
    if platform.settings.shards is not None or not platform.lake.exists:
        return {}
    counts = {}
    for kind in platform.graph.kinds:
        try:
            rows = platform.lake.rows(f'SELECT item FROM "{kind.plural}" ORDER BY item')
        except duckdb.CatalogException:  # no command has made the tables yet
            return {}
        keys = [key for (key,) in rows]
        sync_partitions(instance, kind.plural, keys)
        counts[kind.plural] = len(keys)
    return counts


def range_tags(
    platform: Platform,
    kind: ItemKind,
    items: Mapping[str, Item],
    chosen: Sequence[str],
    instance: DagsterInstance,
) -> dict[str, str]:
    """Tags of a run over the items `chosen` of all `items` of a kind.

    Dagster runs cover a range of partitions. Where `chosen` leaves some out, a tag of ours names the
    items, and the step looks at no others.
    """
    partitions = Partitions(kind, platform.settings.shards)
    if partitions.shards is None:
        sync_partitions(instance, kind.plural, items)
    wanted = {partitions.of(items[key]) for key in chosen}
    keys = partitions.definition.get_partition_keys(dynamic_partitions_store=instance)
    in_order = [key for key in keys if key in wanted]
    tags = {
        "dagster/asset_partition_range_start": in_order[0],
        "dagster/asset_partition_range_end": in_order[-1],
    }
    if len(chosen) < len(items):
        tags[ITEMS_TAG] = ",".join(chosen)
    return tags


def run_config(platform: Platform, assets: Iterable[str], options: RunOptions) -> dict[str, Any]:
    """Run configuration that gives `options` to the steps of `assets`."""
    config = {
        "failed": options.failed,
        "drifted": options.drifted,
        "everything": options.everything,
    }
    bundles = {platform.graph.by_name[name].bundle for name in assets}
    return {"ops": {bundle: {"config": config} for bundle in sorted(bundles)}}
