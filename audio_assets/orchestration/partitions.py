"""Which Dagster partition an item is in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dagster as dg

from audio_assets.engine.declare.tables import Item, ItemKind
from audio_assets.engine.platform import Platform


@dataclass(frozen=True)
class Partitions:
    """Which partition an item is in: one of its own, or one of `shards` hash buckets."""

    kind: ItemKind
    shards: int | None

    @property
    def definition(self) -> dg.PartitionsDefinition[str]:
        """Dagster's definition of the partitions."""
        if self.shards is None:
            return dg.DynamicPartitionsDefinition(name=self.kind.plural)
        return dg.StaticPartitionsDefinition([f"{n:05d}" for n in range(self.shards)])

    def of(self, item: Item) -> str:
        """The partition that holds `item`."""
        if self.shards is None:
            return item.key
        return f"{int(item.content_hash[:12], 16) % self.shards:05d}"

    def members(self, items: Iterable[Item]) -> dict[str, list[Item]]:
        """`items` by the partition they are in, in the order of the partitions."""
        found: dict[str, list[Item]] = {}
        for item in items:
            found.setdefault(self.of(item), []).append(item)
        return dict(sorted(found.items()))

    def items(self, platform: Platform, keys: Sequence[str]) -> dict[str, Item]:
        """The items of the partitions `keys`."""
        if self.shards is None:
            return platform.items(self.kind, keys)
        wanted = set(keys)
        items = platform.items(self.kind)
        return {key: item for key, item in items.items() if self.of(item) in wanted}
