"""What a value was made from, as tags by which Dagster tells whether it is stale.

Dagster calls a partition stale if one of its upstream partitions has an event with another data version after
the event number that the materialization names; upstream without partitions it compares by data version. One
number serves a whole step: that of the newest event before the step read anything.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from audio_assets.engine.platform import Platform
from audio_assets.orchestration.catalog import membership
from audio_assets.orchestration.catalog_changes import sync_catalog
from audio_assets.orchestration.dagster_private import newest_event

VERSION_TAG = "dagster/input_data_version/{}"
POINTER_TAG = "dagster/input_event_pointer/{}"


class Inputs:
    """Upstream as a step finds it: to be made before the step reads the lake.

    The catalogs' changes are told first, so that no later event speaks of what this step has read already.
    """

    def __init__(self, context: dg.AssetExecutionContext, platform: Platform) -> None:
        told = sync_catalog(platform, context.instance)
        self._context = context
        self._members = {
            membership(kind): told[kind.plural].sum for kind in platform.graph.kinds if kind.plural in told
        }
        self._start = newest_event(context.instance)

    def newest_event(self) -> int:
        """The number of the newest event now, for upstream values that the step itself has logged."""
        return newest_event(self._context.instance)

    def tags(self, versions: Mapping[dg.AssetKey, str], as_of: int | None = None) -> dict[str, str]:
        """The tags for upstream of these data versions, as of an event or of the step's start."""
        pointer = str(self._start if as_of is None else as_of)
        tags = {}
        for key, version in versions.items():
            tags[VERSION_TAG.format(key.to_user_string())] = version
            tags[POINTER_TAG.format(key.to_user_string())] = pointer
        return tags

    def mended_tags(self, asset: str) -> dict[str, str]:
        """What to change in the tags that Dagster itself gives an asset that is no partitioned one.

        Dagster names no event for upstream of which it has none yet, and then never finds it stale; and
        it has looked at the catalogs before they were told.
        """
        graph = self._context.job_def.asset_layer.asset_graph
        tags = {}
        for key in graph.get(dg.AssetKey(asset)).parent_keys:
            if graph.get(key).is_partitioned:
                tags[POINTER_TAG.format(key.to_user_string())] = str(self._start)
            if key in self._members:
                tags[VERSION_TAG.format(key.to_user_string())] = self._members[key]
        return tags
