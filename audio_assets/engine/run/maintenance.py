"""Maintenance: small files merged, old snapshots expired, objects deleted that nothing names.

Checkpoints name the snapshot they were trained on; those snapshots and their objects are always kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from audio_assets.engine.declare.tables import OBJECT, Column
from audio_assets.engine.platform import DICTIONARY, Platform
from audio_assets.engine.run.tracked import settle_mlflow_runs
from audio_assets.engine.run.trainings import kept_snapshot
from audio_assets.engine.state.adoption import shown_checkpoints
from audio_assets.resources.lake import LakeError, quote, quoted
from audio_assets.resources.tracking import flush_all, training_root


@dataclass(frozen=True)
class Collected:
    """What a maintenance run removed."""

    snapshots_expired: int
    objects_deleted: int


def maintain(platform: Platform, keep_days: int) -> Collected:
    """Merge small files, expire snapshots older than `keep_days`, delete objects no table names."""
    platform.prepare()
    before = datetime.now(UTC) - timedelta(days=keep_days)
    _drop_values_of_old_checkpoints(platform, before)
    kept = _snapshots_of_checkpoints(platform)
    _call(platform, "ducklake_flush_inlined_data('lake')")
    _call(platform, "ducklake_merge_adjacent_files('lake')")
    old = platform.lake.rows(
        "SELECT snapshot_id FROM ducklake_snapshots('lake') WHERE snapshot_time < ? "
        "AND snapshot_id < (SELECT max(snapshot_id) FROM ducklake_snapshots('lake'))",
        [before],
    )
    expired = [snapshot for (snapshot,) in old if snapshot not in kept]
    if expired:
        _call(platform, "ducklake_expire_snapshots('lake', versions => ?)", expired)
    _call(platform, "ducklake_cleanup_old_files('lake', older_than => ?)", before)
    flush_all(platform.settings)  # what MLflow could not be told while it was away
    settle_mlflow_runs(platform)
    return Collected(len(expired), collect_objects(platform, before))


def _drop_values_of_old_checkpoints(platform: Platform, before: datetime) -> None:
    """Delete values, older than `before`, of checkpoints that are neither adopted nor shown any more."""
    assets = [asset for asset in platform.graph.item_assets if asset.model]
    adopted = platform.adopted(asset.name for asset in assets)
    shown = shown_checkpoints(platform.lake)
    for asset in assets:
        kept = {shown.get(asset.name)}
        if asset.model in adopted:
            kept.add(adopted[asset.model].checkpoint.checkpoint)
        old = (
            f"asset = {quote(asset.name)} AND computed_at < {quote(before.isoformat())}::TIMESTAMPTZ "
            f"AND checkpoint NOT IN (SELECT unnest({quoted(filter(None, kept))}))"
        )

        def change(
            connection: duckdb.DuckDBPyConnection, old: str = old, stored: str = asset.table.stored_as
        ) -> None:
            connection.execute(
                f'DELETE FROM "{stored}" WHERE (item, checkpoint) IN '
                f"(SELECT (item, checkpoint) FROM ledger WHERE {old})"
            )
            connection.execute(f"DELETE FROM ledger WHERE {old}")

        platform.lake.write(change)


def _call(platform: Platform, procedure: str, *parameters: object) -> None:
    """Call a procedure of DuckLake's as a writer among others, so that it takes its turn."""
    platform.lake.write(lambda c: c.execute(f"CALL {procedure}", list(parameters)).fetchall())


def _snapshots_of_checkpoints(platform: Platform) -> set[int]:
    """Those that checkpoints were trained on, and those of trainings that were interrupted and may go on."""
    done = {snapshot for (snapshot,) in platform.lake.rows("SELECT snapshot FROM checkpoints")}
    query = "SELECT snapshot_id FROM ducklake_snapshots('lake')"
    there = {snapshot for (snapshot,) in platform.lake.rows(query)}
    folders = training_root(platform.settings).glob("*/*/")
    begun = {snapshot for folder in folders if (snapshot := kept_snapshot(folder)) is not None}
    return done | (begun & there)  # one that expired before would fail every look at it


def collect_objects(platform: Platform, before: datetime) -> int:
    """Delete objects older than `before` that nothing names any more; the number deleted.

    What tables name is kept, now and at the snapshots that checkpoints were trained on, and so are the
    checkpoints themselves, and the objects of tables that no module declares any more.

    Raises:
        LakeError: an object column names objects that are not there, which says that lake and object
            storage do not belong together; nothing is deleted then.
    """
    named: set[str] = set()
    for version in (None, *sorted(_snapshots_of_checkpoints(platform))):
        named |= _named_objects(platform, version)
    folders = {f"{folder}/" for (folder,) in platform.lake.rows("SELECT folder FROM checkpoints")}
    undeclared = _undeclared_tables(platform)
    present = dict(platform.objects.modified())
    if named and not named & set(present):
        raise LakeError(
            f"None of the {len(named)} objects that the lake names are in "
            f"{platform.objects.root}; check AUDIO_ASSETS_OBJECTS. Nothing was deleted."
        )
    unused = [
        key
        for key, when in present.items()
        if when < before
        and key not in named
        and key.rpartition("/")[0] + "/" not in folders
        and key.partition("/")[0] not in undeclared
    ]
    if unused:
        platform.objects.delete(unused)
    return len(unused)


def _named_objects(platform: Platform, version: int | None) -> set[str]:
    """The objects that tables name, now or at a snapshot (where some columns may not exist yet)."""
    at = "" if version is None else f" AT (VERSION => {version})"
    named: set[str] = set()
    for table, column in _object_columns(platform):
        query = f'SELECT DISTINCT "{column.name}" FROM "{table}"{at}'
        try:
            rows = platform.lake.rows(query)
        except (duckdb.CatalogException, duckdb.BinderException):
            if version is None:
                raise
            continue
        named |= {key for (key,) in rows if key is not None}
    return named


def _object_columns(platform: Platform) -> Iterator[tuple[str, Column]]:
    """The columns that hold keys of objects, each with the name of its table."""
    for table in platform.graph.tables.values():
        for column in table.columns:
            if column.type is OBJECT:
                yield table.stored_as, column


def _undeclared_tables(platform: Platform) -> set[str]:
    """Tables of the lake of which the data dictionary knows nothing, e.g. of a module not set now."""
    query = (
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake' "
        f"AND table_name NOT IN (SELECT table_name FROM {DICTIONARY.name})"
    )
    return {name for (name,) in platform.lake.rows(query)}
