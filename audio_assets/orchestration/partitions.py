"""Which Dagster partition an item is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from audio_assets.engine.declare.tables import Item, ItemKind
from audio_assets.engine.platform import Platform

HASH_DIGITS = 12


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
        return f"{int(item.content_hash[:HASH_DIGITS], 16) % self.shards:05d}"

    def items_in(self, platform: Platform, partitions: Sequence[str]) -> list[str]:
        """The keys of the items in `partitions`, in order."""
        if self.shards is None:
            return sorted(partitions)
        shard = f"('0x' || left(content_hash, {HASH_DIGITS}))::UBIGINT % {self.shards}"
        listed = ", ".join(str(int(partition)) for partition in partitions)
        query = f'SELECT item FROM "{self.kind.plural}" WHERE {shard} IN ({listed}) ORDER BY item'
        return [item for (item,) in platform.lake.rows(query)] if partitions else []
