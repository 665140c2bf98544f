"""The catalogs as assets that something outside Dagster writes, in parts that are read apart.

A catalog, e.g. ``tracks``, is three kinds of external asset, so that a change makes stale what it concerns
and nothing else (docs/decisions/014-staleness-by-dagster.md):

- ``tracks``: the sound of each item, by partition; all that is computed per item depends on it.
- ``tracks/artist``: a column that some asset `reads`, by partition.
- ``tracks/all``: which items there are; what is computed from all of them depends on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import dagster as dg

from audio_assets.engine.declare.tables import Column, Item, ItemKind
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.catalog import canonical_text
from audio_assets.orchestration.partitions import Partitions

GROUP = "catalog"
SOUND = "content_hash"
"""The column of a catalog that tells one sound from another."""


def sound(kind: ItemKind) -> dg.AssetKey:
    """The asset of the items' sounds."""
    return dg.AssetKey(kind.plural)


def column(kind: ItemKind, name: str) -> dg.AssetKey:
    """The asset of one column, or that of the sounds for the column that tells them."""
    return sound(kind) if name == SOUND else dg.AssetKey([kind.plural, name])


def membership(kind: ItemKind) -> dg.AssetKey:
    """The asset that changes when items come or go."""
    return dg.AssetKey([kind.plural, "all"])


def columns_read(platform: Platform, kind: ItemKind) -> list[str]:
    """The columns of a catalog that some asset reads, besides the sound."""
    read = {name for asset in platform.graph.assets if kind in asset.items for name in asset.reads}
    return sorted(read & {entry.name for entry in catalog_columns(platform, kind)} - {SOUND})


def catalog_columns(platform: Platform, kind: ItemKind) -> Sequence[Column]:
    """The columns of a catalog."""
    return next(table.columns for table in platform.tables if table.name == kind.plural)


def has_membership(platform: Platform, kind: ItemKind) -> bool:
    """Whether something is computed from all items of a kind together."""
    return any(kind in asset.items for asset in platform.graph.collections)


def keys_read(kind: ItemKind, reads: Iterable[str]) -> list[dg.AssetKey]:
    """The assets of a catalog, by partition, that an asset which `reads` columns depends on."""
    return list(dict.fromkeys(column(kind, name) for name in (SOUND, *reads)))


def column_version(value: object) -> str:
    """A value of the catalog as a data version."""
    return hashlib.blake2b((canonical_text(value) or "").encode(), digest_size=12).hexdigest()


def versions_read(items: Sequence[Item], kind: ItemKind, reads: Iterable[str]) -> dict[dg.AssetKey, str]:
    """The data versions of what an asset reads of the items of a partition, by the assets of `keys_read`."""
    versions = {
        column(kind, name): combined(column_version(item.record.get(name)) for item in items)
        for name in reads
    }
    return {**versions, sound(kind): combined(item.content_hash for item in items)}


def combined(versions: Iterable[str]) -> str:
    """One data version for those of a partition's items, in any order; a single item's is its own.

    >>> combined(["a"]), combined(["b", "a"]) == combined(["a", "b"])
    ('a', True)
    """
    ordered = sorted(versions)
    if len(ordered) == 1:
        return ordered[0]
    return hashlib.blake2b("".join(ordered).encode(), digest_size=12).hexdigest()


def catalog_specs(platform: Platform) -> list[dg.AssetSpec]:
    """The assets of all catalogs."""
    return [spec for kind in platform.graph.kinds for spec in _specs(platform, kind)]


def _specs(platform: Platform, kind: ItemKind) -> list[dg.AssetSpec]:
    partitions = Partitions(kind, platform.settings.shards).definition
    doc = f"{kind.doc} Written by `audio-assets ingest` and the inbox sensor."
    specs = [_spec(platform, kind, sound(kind), doc).replace_attributes(partitions_def=partitions)]
    for name in columns_read(platform, kind):
        doc = f"A column of {kind.plural} that something is computed from."
        spec = _spec(platform, kind, column(kind, name), doc, [name])
        specs.append(spec.replace_attributes(deps=[sound(kind)], partitions_def=partitions))
    if has_membership(platform, kind):
        doc = f"Which {kind.plural} there are: changes when some come or go."
        specs.append(
            _spec(platform, kind, membership(kind), doc, ["item"]).replace_attributes(deps=[sound(kind)])
        )
    return specs


def _spec(
    platform: Platform, kind: ItemKind, key: dg.AssetKey, doc: str, columns: Sequence[str] | None = None
) -> dg.AssetSpec:
    shown = [c for c in catalog_columns(platform, kind) if columns is None or c.name in columns]
    schema = [dg.TableColumn(c.name, type=c.sql_type, description=c.doc) for c in shown]
    return dg.AssetSpec(
        key,
        description=doc,
        group_name=GROUP,
        kinds={"duckdb"},
        owners=["team:audio-assets"],
        metadata={
            "dagster/column_schema": dg.TableSchema(columns=schema),
            "dagster/table_name": f"lake.{kind.plural}",
        },
    )
