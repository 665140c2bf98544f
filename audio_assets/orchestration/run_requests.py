"""What a Dagster run over some items is asked for with: its tags and its configuration.

The command line, the schedules and the sensors all build their runs from these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dagster import DagsterInstance

from audio_assets.engine.declare.tables import Item, ItemKind
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.states import RunOptions
from audio_assets.orchestration.catalog_changes import sync_catalog
from audio_assets.orchestration.partitions import Partitions
from audio_assets.orchestration.run_items import items_tag


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
        sync_catalog(platform, instance)
    wanted = {partitions.of(items[key]) for key in chosen}
    keys = partitions.definition.get_partition_keys(dynamic_partitions_store=instance)
    in_order = [key for key in keys if key in wanted]
    tags = {
        "dagster/asset_partition_range_start": in_order[0],
        "dagster/asset_partition_range_end": in_order[-1],
    }
    if len(chosen) < len(items):
        tags |= items_tag(platform, chosen)
    return tags


def run_config(platform: Platform, assets: Iterable[str], options: RunOptions) -> dict[str, Any]:
    """Run configuration that gives `options` to the steps of `assets`."""
    config = {
        "failed": options.failed,
        "drifted": options.drifted,
        "everything": options.everything,
    }
    bundles = {platform.graph.item_asset(name).bundle for name in assets}
    return {"ops": {bundle: {"config": config} for bundle in sorted(bundles)}}
