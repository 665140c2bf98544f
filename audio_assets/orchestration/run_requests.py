"""What a Dagster run over some items is asked for with: its tags and its configuration.

The command line, the schedules and the sensors all build their runs from these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dagster import DagsterInstance

from audio_assets.engine.declare.tables import ItemKind
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.states import RunOptions
from audio_assets.orchestration.catalog_changes import sync_catalog
from audio_assets.orchestration.partitions import Partitions
from audio_assets.orchestration.run_items import items_tag


def range_tags(
    platform: Platform, kind: ItemKind, chosen: Sequence[str], instance: DagsterInstance
) -> dict[str, str]:
    """Tags of a run over the items `chosen` of a kind.

    Dagster runs cover a range of partitions. Where `chosen` leaves some items out, a tag of ours names the
    chosen ones, and the step looks at no others.
    """
    partitions = Partitions(kind, platform.settings.shards)
    if partitions.shards is None:
        sync_catalog(platform, instance)
        wanted = set(chosen)
    else:
        wanted = {partitions.of(item) for item in platform.items(kind, chosen).values()}
    keys = partitions.definition.get_partition_keys(dynamic_partitions_store=instance)
    in_order = [key for key in keys if key in wanted]
    tags = {
        "dagster/asset_partition_range_start": in_order[0],
        "dagster/asset_partition_range_end": in_order[-1],
    }
    ((count,),) = platform.lake.rows(f'SELECT count(*) FROM "{kind.plural}"')
    if len(chosen) < count:
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
