"""Telling Dagster what has changed in the catalogs: partitions, and observations that make values stale.

What was told last is known by the lake's snapshot, so that only rows written since are looked at, and none
if nothing was. An item that is new to the catalog needs no event: nothing has been computed from it. One
whose row changed gets an observation for each changed column that something reads; shards, which hold many
items, also when items come or go.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg
import duckdb

from audio_assets.engine.declare.tables import Item, ItemKind
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.catalog import canonical_text
from audio_assets.orchestration.catalog import SOUND, column, columns_read, has_membership, membership
from audio_assets.orchestration.dagster_private import DATA_VERSION, report_observations
from audio_assets.orchestration.partitions import Partitions
from audio_assets.resources.lake import quoted

CURSOR = "audio_assets/catalog/{}"
"""Where Dagster's instance keeps `Told` of a catalog."""
NOTHING_SUMMED = "0" * 16

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """What Dagster has been told of a catalog: its state at a snapshot.

    `sum` adds up hashes of the keys, whatever their order, and is the version of the catalog's membership.
    `some_key` is one of the partitions there must be: without it somebody has cleared the instance.
    """

    snapshot: int
    items: int
    sum: str
    some_key: str | None


@dataclass(frozen=True)
class Change:
    """An item's row then and now; None where there was or is none."""

    item: str
    then: Row | None
    now: Row | None


def sync_catalog(platform: Platform, instance: dg.DagsterInstance) -> dict[str, Told]:
    """Bring what Dagster knows of every catalog up to date; what it knows, by the catalog's name.

    It is done by every run and step, and for all who choose a partition before there is a run: the UI, and
    `dagster asset materialize`. An absent catalog needs nothing.
    """
    if not platform.lake.exists:
        return {}
    told = {}
    for kind in platform.graph.kinds:
        try:
            told[kind.plural] = _sync(platform, instance, kind)
        except duckdb.CatalogException:  # no command has made the tables yet
            return {}
    return told


def _sync(platform: Platform, instance: dg.DagsterInstance, kind: ItemKind) -> Told:
    before = _told(instance, kind, is_sharded=platform.settings.shards is not None)
    snapshot = platform.lake.snapshot()
    if before is not None and before.snapshot == snapshot:
        return before
    changes = None if before is None else _changes(platform, kind, before.snapshot, snapshot)
    if before is None or changes is None:
        told = _tell_all(platform, instance, kind, snapshot)
    else:
        _tell_changes(platform, instance, kind, changes)
        told = _after(platform, kind, before, changes, snapshot)
    if told.sum != (before.sum if before else "") and has_membership(platform, kind):
        event = dg.AssetMaterialization(membership(kind), tags={DATA_VERSION: told.sum})
        instance.report_runless_asset_event(event)
    # Last, so that what is interrupted is told again: telling twice changes nothing.
    instance.daemon_cursor_storage.set_cursor_values({CURSOR.format(kind.plural): json.dumps(asdict(told))})
    return told


def _told(instance: dg.DagsterInstance, kind: ItemKind, *, is_sharded: bool) -> Told | None:
    key = CURSOR.format(kind.plural)
    text = instance.daemon_cursor_storage.get_cursor_values({key}).get(key)
    told = None if text is None else Told(**json.loads(text))
    if told is None or is_sharded or told.some_key is None:
        return told
    return told if instance.has_dynamic_partition(kind.plural, told.some_key) else None


def _tell_all(platform: Platform, instance: dg.DagsterInstance, kind: ItemKind, snapshot: int) -> Told:
    """Start over: partitions are made those of the catalog, and its state is what changes are told from."""
    query = f'SELECT item FROM "{kind.plural}" AT (VERSION => {snapshot}) ORDER BY item'
    keys = [key for (key,) in platform.lake.rows(query)]
    if platform.settings.shards is None:
        known = set(instance.get_dynamic_partitions(kind.plural))
        _change_partitions(instance, kind, [k for k in keys if k not in known], known - set(keys))
    return Told(snapshot, len(keys), _sum(NOTHING_SUMMED, keys, ()), keys[-1] if keys else None)


def _tell_changes(
    platform: Platform, instance: dg.DagsterInstance, kind: ItemKind, changes: Sequence[Change]
) -> None:
    if platform.settings.shards is None:
        added, removed = _come_and_gone(changes)
        _change_partitions(instance, kind, added, removed)
    report_observations(instance, _observations(platform, kind, changes))


def _after(
    platform: Platform, kind: ItemKind, before: Told, changes: Sequence[Change], snapshot: int
) -> Told:
    added, removed = _come_and_gone(changes)
    some_key = before.some_key
    if some_key is None or some_key in removed:
        query = f'SELECT max(item) FROM "{kind.plural}" AT (VERSION => {snapshot})'
        ((some_key,),) = platform.lake.rows(query)
    items = before.items + len(added) - len(removed)
    return Told(snapshot, items, _sum(before.sum, added, removed), some_key)


def _come_and_gone(changes: Sequence[Change]) -> tuple[list[str], list[str]]:
    return [c.item for c in changes if c.then is None], [c.item for c in changes if c.now is None]


def _change_partitions(
    instance: dg.DagsterInstance, kind: ItemKind, added: Sequence[str], removed: Iterable[str]
) -> None:
    if added:
        instance.add_dynamic_partitions(kind.plural, added)
    for key in removed:
        instance.delete_dynamic_partition(kind.plural, key)


def _observations(platform: Platform, kind: ItemKind, changes: Sequence[Change]) -> list[dg.AssetObservation]:
    """What makes values stale: one observation for each partition and column that is not what it was."""
    partitions = Partitions(kind, platform.settings.shards)
    changed: dict[tuple[dg.AssetKey, str], list[str]] = {}
    for change in changes:
        rows = [row for row in (change.then, change.now) if row is not None]
        if platform.settings.shards is None and len(rows) < 2:
            continue
        for name in (SOUND, *columns_read(platform, kind)):
            texts = [
                None if row is None else canonical_text(row.get(name)) for row in (change.then, change.now)
            ]
            if len(rows) < 2 or texts[0] != texts[1]:
                for partition in {partitions.of(Item(change.item, row[SOUND], "")) for row in rows}:
                    part = changed.setdefault((column(kind, name), partition), [])
                    part.append(f"{change.item}={change.now is not None}{texts[1]}")
    return [
        dg.AssetObservation(asset, partition=partition, tags={DATA_VERSION: _digest(texts)})
        for (asset, partition), texts in sorted(changed.items())
    ]


def _changes(platform: Platform, kind: ItemKind, since: int, until: int) -> list[Change] | None:
    """The items whose rows are not what they were; None if what they were can no longer be read."""
    try:
        query = f"SELECT DISTINCT item FROM lake.table_changes('{kind.plural}', {since + 1}, {until})"
        items = [item for (item,) in platform.lake.rows(query)]
        if not items:
            return []
        then, now = (_rows(platform, kind, items, version) for version in (since, until))
    except (duckdb.InvalidInputException, duckdb.BinderException) as error:
        message = "What changed in %s since snapshot %d is not known: %s"
        logging.getLogger("audio_assets").warning(message, kind.plural, since, str(error).partition("\n")[0])
        return None
    both = {item: Change(item, then.get(item), now.get(item)) for item in sorted({*then, *now})}
    return [change for change in both.values() if change.then != change.now]


def _rows(
    platform: Platform, kind: ItemKind, items: Sequence[str], version: int
) -> dict[str, dict[str, Any]]:
    names = ["item", SOUND, *columns_read(platform, kind)]
    listed = ", ".join(f'"{name}"' for name in names)
    query = (
        f'SELECT {listed} FROM "{kind.plural}" AT (VERSION => {version}) '
        f"WHERE item IN (SELECT unnest({quoted(items)}))"
    )
    return {row[0]: dict(zip(names, row, strict=True)) for row in platform.lake.rows(query)}


def _sum(start: str, added: Iterable[str], removed: Iterable[str]) -> str:
    total = int(start, 16) + sum(map(_number, added)) - sum(map(_number, removed))
    return f"{total % 2**64:016x}"


def _number(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())


def _digest(texts: Sequence[str]) -> str:
    return hashlib.blake2b("\x1f".join(texts).encode(), digest_size=12).hexdigest()
